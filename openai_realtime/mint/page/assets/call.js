// One call: microphone, WebRTC connection, data channel. It calls `emit(name, detail)` for each event, and
// does not use the page.

import {
  CallError, HUNG_UP, NETWORK_LOST, NO_MICROPHONE_HERE, NO_PATH, TIME_OVER, answerError, microphoneError,
} from "./errors.js";
import { TIMEOUT, beginCall, beginServiceCall } from "./signalling.js";

const CHANNEL = "oai-events";

export class Call {
  #emit;
  #ended = new AbortController();
  #connection = null;
  #channel = null;
  #microphone = null;
  #startedAt = performance.now();
  #clockOffset = 0; // seconds by which the server's clock is ahead
  #begin;
  #address = null;
  #endsAt = Infinity; // in performance.now()

  wasConnected = false;

  /** `isByService`: whether the service begins the call, or the page with a secret. */
  constructor(emit, { isByService }) {
    this.#begin = isByService ? beginServiceCall : beginCall;
    this.#emit = (name, detail) => { if (!this.#ended.signal.aborted) emit(name, detail); };
  }

  async start(token) {
    const { signal } = this.#ended;
    try {
      this.#emit("state", "microphone");
      this.#microphone = await openMicrophone();
      signal.throwIfAborted();
      this.#emit("microphone", this.#microphone);
      const connection = this.#createConnection();
      await connection.setLocalDescription(await connection.createOffer());
      const offer = connection.localDescription.sdp;
      const begun = await this.#begin(offer, token, { signal, report: this.#emit });
      this.#address = begun.address;
      this.#clockOffset = begun.clockOffset;
      if (begun.limit !== null) {
        this.#endsAt = performance.now() + begun.limit * 1000;
        this.#emit("limit", begun.limit);
      }
      await acceptAnswer(connection, begun.answer);
      this.#emit("state", "connecting");
      setTimeout(() => { if (!this.wasConnected) this.#fail(NO_PATH); }, TIMEOUT);
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

  /** End it; `isLeaving`: the page is being closed. */
  end({ isLeaving = false } = {}) {
    this.#ended.abort();
    if (isLeaving) this.#address?.hangUpOnLeaving();
    else this.#address?.hangUp();
    this.#address = null;
    this.#channel?.close();
    this.#connection?.close();
    for (const track of this.#microphone?.getTracks() ?? []) track.stop();
  }

  stats() { return this.#connection?.getStats() ?? Promise.resolve(new Map()); }

  #fail(error) {
    this.#emit("failed", error);
    this.end();
  }

  #createConnection() {
    const connection = this.#connection = new RTCPeerConnection();
    connection.addTrack(this.#microphone.getAudioTracks()[0], this.#microphone);
    connection.ontrack = ({ streams, track }) =>
      this.#emit("audio", streams[0] ?? new MediaStream([track]));
    connection.onconnectionstatechange = () => this.#changeState(connection.connectionState);
    const channel = this.#channel = connection.createDataChannel(CHANNEL);
    channel.onmessage = ({ data }) => this.#receive(data);
    channel.onclose = () => this.#fail(performance.now() < this.#endsAt - 1000 ? HUNG_UP : TIME_OVER);
    return connection;
  }

  #changeState(state) {
    if (state === "connected") {
      this.wasConnected = true;
      this.#emit("state", "connected");
    } else if (state === "disconnected") {
      this.#emit("state", "interrupted");
    } else if (state === "failed") {
      this.#fail(this.wasConnected ? NETWORK_LOST : NO_PATH);
    }
  }

  #receive(data) {
    let event;
    try { event = JSON.parse(data); } catch { return; }
    if (event.type === "session.created") {
      this.#emit("ready", { milliseconds: performance.now() - this.#startedAt });
      if (event.session?.model) this.#emit("model", event.session.model);
      // The server's clock: the browser's may be wrong. Many servers send 0.
      const limit = event.session?.expires_at - Date.now() / 1000 - this.#clockOffset;
      if (limit > 0) this.#emit("limit", limit);
    }
    this.#emit("received", event);
  }
}

async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) throw NO_MICROPHONE_HERE;
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    throw microphoneError(error);
  }
}

async function acceptAnswer(connection, sdp) {
  try {
    await connection.setRemoteDescription({ type: "answer", sdp });
  } catch {
    throw answerError(sdp);
  }
}
