// One call: microphone, WebRTC connection, data channel. It calls `emit(name, detail)` for each event, and
// does not use the page.

import {
  CallError, HUNG_UP, NETWORK_LOST, NOT_PERMITTED, NO_MICROPHONE_HERE, NO_PATH, TIME_OVER, answerError, microphoneError,
} from "./errors.js";
import { TIMEOUT, beginCall, beginServiceCall } from "./signalling.js";

const CHANNEL = "oai-events";
const STARTED = new Set(["session.created", "session.started"]);
const GATHERING = 3000; // milliseconds
const CLOSING = 10_000; // milliseconds in which a session closes

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
  #isLive;

  wasConnected = false;

  /**
   * `isByService`: whether the service begins the call, or the page with a secret. `isLive`: whether it
   * is a GPT-Live session, which may hide from the page how it began.
   */
  constructor(emit, { isByService, isLive }) {
    this.#begin = isByService ? beginServiceCall : beginCall;
    this.#isLive = isLive;
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
      if (this.#isLive) await gatherAddresses(connection);
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
    // The model would take silence for a pause of the person.
    if (this.#isLive) this.send({ type: `session.input_audio.${isMuted ? "mute" : "unmute"}` });
  }

  send(event) {
    if (this.#channel?.readyState !== "open") return;
    this.#channel.send(JSON.stringify(event));
    this.#emit("sent", event);
  }

  /** End it; `isLeaving`: the page is being closed. */
  async end({ isLeaving = false } = {}) {
    this.#ended.abort();
    for (const track of this.#microphone?.getTracks() ?? []) track.stop();
    const address = this.#address;
    this.#address = null;
    if (isLeaving) address?.hangUpOnLeaving();
    else if (address !== null) await this.#hangUp(address);
    this.#channel?.close();
    this.#connection?.close();
  }

  async #hangUp(address) {
    const isHungUp = address.hangUp();
    if (!this.#isLive) return;
    // The session closes first: GPT-Live counts a peer that has gone as lost.
    if (!await isHungUp && this.#channel.readyState === "open") {
      this.#channel.send(JSON.stringify({ type: "session.close" })); // the service is out of reach
    }
    await new Promise((resolve) => setTimeout(resolve, CLOSING));
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
    channel.onopen = () => { if (this.#isLive) this.#start({ model: "GPT-Live" }); };
    channel.onclose = () => this.#fail(this.#reasonOfEnd());
    return connection;
  }

  #start(session) {
    this.#emit("ready", { milliseconds: performance.now() - this.#startedAt });
    if (session?.model) this.#emit("model", session.model);
    // The server's clock: the browser's may be wrong. Many servers send 0.
    const limit = session?.expires_at - Date.now() / 1000 - this.#clockOffset;
    if (limit > 0) this.#emit("limit", limit);
  }

  #reasonOfEnd(reason) {
    if (reason === "content") return NOT_PERMITTED;
    return reason === "expired" || performance.now() >= this.#endsAt - 1000 ? TIME_OVER : HUNG_UP;
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
    if (STARTED.has(event.type)) this.#start(event.session);
    this.#emit("received", event);
    if (event.type === "session.closed") this.#fail(this.#reasonOfEnd(event.reason));
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

/** Wait until the offer has all addresses of this browser, as GPT-Live's guide asks. */
function gatherAddresses(connection) {
  return new Promise((resolve) => {
    const check = () => { if (connection.iceGatheringState === "complete") resolve(); };
    connection.onicegatheringstatechange = check;
    setTimeout(resolve, GATHERING);
    check();
  });
}

async function acceptAnswer(connection, sdp) {
  try {
    await connection.setRemoteDescription({ type: "answer", sdp });
  } catch {
    throw answerError(sdp);
  }
}
