// One call: microphone, secret, offer, answer, data channel.
// Owns: WebRTC and the two requests. Must not know: the page; it is told by `tell(name, detail)`.
// The secret is a local variable, gone when the call has begun.

import {
  CallFailure, HUNG_UP, NETWORK_LOST, NO_MICROPHONE_HERE, NO_PATH,
  callFailure, microphoneFailure, mintFailure, unreachable,
} from "./failures.js";

const PATIENCE = 20_000; // milliseconds, for each request and for ICE
const CHANNEL = "oai-events";

export class Call {
  #tell;
  #over = new AbortController();
  #connection = null;
  #channel = null;
  #microphone = null;
  #begun = performance.now();
  #wasConnected = false;

  constructor(tell) {
    this.#tell = (name, detail) => { if (!this.#over.signal.aborted) tell(name, detail); };
  }

  async begin(token) {
    try {
      this.#tell("state", "microphone");
      this.#microphone = await this.#openMicrophone();
      this.#tell("microphone", this.#microphone);
      this.#tell("state", "secret");
      const minted = await this.#mint(token);
      this.#tell("state", "calling");
      await this.#call(minted.connect_url, minted.value);
    } catch (error) {
      this.#fail(error instanceof CallFailure ? error : new CallFailure(
        "The call could not begin.", `The browser says ${error.name}.`,
      ));
    }
  }

  get muted() { return !this.#microphone?.getAudioTracks()[0]?.enabled; }

  set muted(wanted) {
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = !wanted;
  }

  send(event) {
    if (this.#channel?.readyState !== "open") return;
    this.#channel.send(JSON.stringify(event));
    this.#tell("sent", event);
  }

  end() {
    this.#over.abort();
    this.#channel?.close();
    this.#connection?.close();
    for (const track of this.#microphone?.getTracks() ?? []) track.stop();
  }

  stats() { return this.#connection?.getStats() ?? Promise.resolve(new Map()); }

  #fail(failure) {
    this.#tell("failed", failure);
    this.end();
  }

  async #openMicrophone() {
    if (!navigator.mediaDevices?.getUserMedia) throw NO_MICROPHONE_HERE;
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
    } catch (error) {
      throw microphoneFailure(error);
    }
    if (this.#over.signal.aborted) for (const track of stream.getTracks()) track.stop();
    return stream;
  }

  async #mint(token) {
    const asked = performance.now();
    const headers = { "content-type": "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    const response = await this.#ask("./client-secret", { headers, body: "{}" }, "The service");
    if (!response.ok) throw await mintFailure(response);
    const minted = await response.json();
    const now = Date.parse(response.headers.get("date")) || Date.now();
    this.#tell("minted", {
      milliseconds: performance.now() - asked,
      model: minted.model,
      // By the server's own clock: the browser's may be wrong.
      secondsLeft: minted.expires_at === null ? null : minted.expires_at - now / 1000,
    });
    return minted;
  }

  async #call(url, secret) {
    const connection = this.#connect();
    await connection.setLocalDescription(await connection.createOffer());
    const asked = performance.now();
    const headers = { "content-type": "application/sdp", authorization: `Bearer ${secret}` };
    const request = { headers, body: connection.localDescription.sdp, credentials: "omit" };
    const response = await this.#ask(url, request, "The API");
    if (!response.ok) throw await callFailure(response);
    const sdp = await response.text();
    this.#tell("answered", { milliseconds: performance.now() - asked });
    try {
      await connection.setRemoteDescription({ type: "answer", sdp });
    } catch {
      throw new CallFailure("The server's answer is unusable.", "It is no SDP answer to this offer.");
    }
    this.#tell("state", "connecting");
    setTimeout(() => { if (!this.#wasConnected) this.#fail(NO_PATH); }, PATIENCE);
  }

  #connect() {
    const connection = this.#connection = new RTCPeerConnection();
    connection.addTrack(this.#microphone.getAudioTracks()[0], this.#microphone);
    connection.ontrack = ({ streams, track }) =>
      this.#tell("audio", streams[0] ?? new MediaStream([track]));
    connection.onconnectionstatechange = () => this.#notice(connection.connectionState);
    const channel = this.#channel = connection.createDataChannel(CHANNEL);
    channel.onmessage = ({ data }) => this.#receive(data);
    channel.onclose = () => this.#fail(HUNG_UP);
    return connection;
  }

  #notice(state) {
    if (state === "connected") {
      this.#wasConnected = true;
      this.#tell("state", "connected");
    } else if (state === "disconnected") {
      this.#tell("state", "interrupted");
    } else if (state === "failed") {
      this.#fail(this.#wasConnected ? NETWORK_LOST : NO_PATH);
    }
  }

  #receive(data) {
    let event;
    try { event = JSON.parse(data); } catch { return; }
    if (event.type === "session.created") {
      this.#tell("ready", { milliseconds: performance.now() - this.#begun });
    }
    this.#tell("received", event);
  }

  async #ask(url, request, who) {
    const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(PATIENCE)]);
    try {
      return await fetch(url, { method: "POST", redirect: "error", cache: "no-store", signal, ...request });
    } catch (error) {
      throw unreachable(who, error);
    }
  }
}
