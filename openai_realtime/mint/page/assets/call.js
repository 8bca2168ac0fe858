// One call: microphone, secret, SDP offer and answer, data channel. It calls `emit(name, detail)` for
// each event, and does not use the page. The secret is a local variable, which ends when the call starts.

import {
  CallError, HUNG_UP, NETWORK_LOST, NO_MICROPHONE_HERE, NO_PATH,
  callError, microphoneError, mintError, unreachableError,
} from "./errors.js";

const TIMEOUT = 20_000; // milliseconds, for each request and for ICE
const CHANNEL = "oai-events";

export class Call {
  #emit;
  #ended = new AbortController();
  #connection = null;
  #channel = null;
  #microphone = null;
  #startedAt = performance.now();
  #wasConnected = false;

  constructor(emit) {
    this.#emit = (name, detail) => { if (!this.#ended.signal.aborted) emit(name, detail); };
  }

  async start(token) {
    try {
      this.#emit("state", "microphone");
      this.#microphone = await this.#openMicrophone();
      this.#emit("microphone", this.#microphone);
      this.#emit("state", "secret");
      const minted = await this.#mint(token);
      this.#emit("state", "calling");
      await this.#call(minted.connect_url, minted.value);
    } catch (error) {
      this.#fail(error instanceof CallError ? error : new CallError(
        "The call could not begin.", `The browser says ${error.name}.`,
      ));
    }
  }

  get muted() { return !this.#microphone?.getAudioTracks()[0]?.enabled; }

  set muted(isMuted) {
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = !isMuted;
  }

  send(event) {
    if (this.#channel?.readyState !== "open") return;
    this.#channel.send(JSON.stringify(event));
    this.#emit("sent", event);
  }

  end() {
    this.#ended.abort();
    this.#channel?.close();
    this.#connection?.close();
    for (const track of this.#microphone?.getTracks() ?? []) track.stop();
  }

  stats() { return this.#connection?.getStats() ?? Promise.resolve(new Map()); }

  #fail(error) {
    this.#emit("failed", error);
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
      throw microphoneError(error);
    }
    if (this.#ended.signal.aborted) for (const track of stream.getTracks()) track.stop();
    return stream;
  }

  async #mint(token) {
    const sentAt = performance.now();
    const headers = { "content-type": "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    const response = await this.#post("./client-secret", { headers, body: "{}" }, "The service");
    if (!response.ok) throw mintError(response);
    const minted = await response.json();
    const now = Date.parse(response.headers.get("date")) || Date.now();
    this.#emit("minted", {
      milliseconds: performance.now() - sentAt,
      model: minted.model,
      // By the server's clock: the browser's may be wrong.
      secondsLeft: minted.expires_at === null ? null : minted.expires_at - now / 1000,
    });
    return minted;
  }

  async #call(url, secret) {
    const connection = this.#createConnection();
    await connection.setLocalDescription(await connection.createOffer());
    const sentAt = performance.now();
    const headers = { "content-type": "application/sdp", authorization: `Bearer ${secret}` };
    const request = { headers, body: connection.localDescription.sdp, credentials: "omit" };
    const response = await this.#post(url, request, "The API");
    if (!response.ok) throw callError(response);
    const sdp = await response.text();
    this.#emit("answered", { milliseconds: performance.now() - sentAt });
    try {
      await connection.setRemoteDescription({ type: "answer", sdp });
    } catch {
      throw new CallError("The server's response is unusable.", "It is not an SDP answer to this offer.");
    }
    this.#emit("state", "connecting");
    setTimeout(() => { if (!this.#wasConnected) this.#fail(NO_PATH); }, TIMEOUT);
  }

  #createConnection() {
    const connection = this.#connection = new RTCPeerConnection();
    connection.addTrack(this.#microphone.getAudioTracks()[0], this.#microphone);
    connection.ontrack = ({ streams, track }) =>
      this.#emit("audio", streams[0] ?? new MediaStream([track]));
    connection.onconnectionstatechange = () => this.#changeState(connection.connectionState);
    const channel = this.#channel = connection.createDataChannel(CHANNEL);
    channel.onmessage = ({ data }) => this.#receive(data);
    channel.onclose = () => this.#fail(HUNG_UP);
    return connection;
  }

  #changeState(state) {
    if (state === "connected") {
      this.#wasConnected = true;
      this.#emit("state", "connected");
    } else if (state === "disconnected") {
      this.#emit("state", "interrupted");
    } else if (state === "failed") {
      this.#fail(this.#wasConnected ? NETWORK_LOST : NO_PATH);
    }
  }

  #receive(data) {
    let event;
    try { event = JSON.parse(data); } catch { return; }
    if (event.type === "session.created") {
      this.#emit("ready", { milliseconds: performance.now() - this.#startedAt });
    }
    this.#emit("received", event);
  }

  async #post(url, request, serverName) {
    const signal = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(TIMEOUT)]);
    try {
      return await fetch(url, { method: "POST", redirect: "error", cache: "no-store", signal, ...request });
    } catch (error) {
      throw unreachableError(serverName, error);
    }
  }
}
