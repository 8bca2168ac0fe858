// The parts of the page that change during a call: transcript, events, time, statistics, levels.
// Rule for this file: text is set as text, never as HTML.

const MAX_EVENTS = 300;
const LAST_SECONDS = 60;
const CONNECTING_SECONDS = 5;
const NAMES = { user: "You", assistant: "Model", system: "System", error: "Error" };
const TRANSCRIPTION = "conversation.item.input_audio_transcription";
const ADDED = new Set(["conversation.item.added", "conversation.item.created"]);
const DELTA = new Set([
  "response.output_audio_transcript.delta", "response.audio_transcript.delta",
  "response.output_text.delta", "response.text.delta",
  `${TRANSCRIPTION}.delta`,
]);
const DONE = new Set([
  "response.output_audio_transcript.done", "response.audio_transcript.done",
  "response.output_text.done", "response.text.done",
  `${TRANSCRIPTION}.completed`,
]);
const SPOKEN = { "session.input_transcript.delta": "user", "session.output_transcript.delta": "assistant" };
const PAUSE = 2000; // milliseconds between the words of two lines
const byId = (id) => document.getElementById(id);

function element(tag, className, text = "") {
  const created = document.createElement(tag);
  created.className = className;
  created.textContent = text;
  return created;
}

/** Change a box; if it was scrolled to its end, scroll it to the new end. */
function keepAtEnd(box, change) {
  const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  change();
  if (isAtEnd) box.scrollTop = box.scrollHeight;
}

/** Return the words in an event: `{id, role, text}` or `{id, role, delta}`; null: there are none. */
function readTranscript(event) {
  if (ADDED.has(event.type) && event.item?.type === "message") {
    const text = (event.item.content ?? []).map((part) => part.text ?? "").join("");
    return { id: event.item.id, role: event.item.role, text };
  }
  const role = event.type.startsWith("conversation.") ? "user" : "assistant";
  if (DELTA.has(event.type)) return { id: event.item_id, role, delta: event.delta ?? "" };
  if (DONE.has(event.type)) return { id: event.item_id, role, text: event.transcript ?? event.text ?? "" };
  const message = event.error?.message ?? "";
  if (event.type === `${TRANSCRIPTION}.failed`) return { id: event.item_id, role, text: `(not transcribed: ${message})` };
  if (event.type === "error") return { id: event.event_id, role: "error", text: message || "The server reports an error." };
  return null;
}

export class TranscriptPanel {
  #box = byId("transcript");
  #lines = new Map();
  #spoken = new Map(); // of GPT-Live, by role: the line of the last words, and when they ended

  clear() {
    for (const { line } of this.#lines.values()) line.remove();
    this.#lines.clear();
    this.#spoken.clear();
    byId("transcript-empty").hidden = false;
  }

  show(event) {
    const entry = Object.hasOwn(SPOKEN, event.type) ? this.#readSpoken(event) : readTranscript(event);
    if (entry === null) return;
    keepAtEnd(this.#box, () => {
      const { line, words } = this.#lines.get(entry.id) ?? this.#add(entry);
      words.textContent = entry.delta === undefined
        ? entry.text || words.textContent : words.textContent + entry.delta;
      // The line is added in order before its words arrive.
      line.hidden = words.textContent === "";
      if (!line.hidden) byId("transcript-empty").hidden = true;
    });
  }

  /** GPT-Live has no items: words belong to a line until a pause. Both may speak at once. */
  #readSpoken({ type, event_id, delta, start_ms, end_ms }) {
    const role = SPOKEN[type];
    const last = this.#spoken.get(role);
    const id = last !== undefined && start_ms - last.end < PAUSE ? last.id : event_id;
    this.#spoken.set(role, { id, end: end_ms });
    return { id, role, delta };
  }

  #add({ id, role }) {
    const line = element("p", `line ${role}`);
    if (role === "error") line.setAttribute("role", "alert");
    const words = element("span", "words");
    line.append(element("span", "who", NAMES[role] ?? role), words);
    line.hidden = true;
    this.#box.append(line);
    this.#lines.set(id, { line, words });
    return this.#lines.get(id);
  }
}

export class EventPanel {
  #list = byId("events");
  #count = 0;
  #startedAt = performance.now();

  clear() {
    this.#list.replaceChildren();
    this.#count = 0;
    this.#startedAt = performance.now();
    byId("event-count").textContent = "0";
  }

  show(event, isSent) {
    const row = element("li", event.type === "error" ? "event error" : "event");
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(2);
    const direction = element("span", "way", isSent ? "↑" : "↓");
    direction.setAttribute("role", "img");
    direction.setAttribute("aria-label", isSent ? "sent" : "received");
    summary.append(direction, element("span", "type", event.type), element("time", "at", `${seconds} s`));
    details.append(summary);
    // The content is made when the row is opened.
    const addContent = () => details.append(element("pre", "", withoutSecret(event)));
    details.addEventListener("toggle", addContent, { once: true });
    row.append(details);
    keepAtEnd(this.#list, () => {
      this.#list.append(row);
      if (this.#list.childElementCount > MAX_EVENTS) this.#list.firstElementChild.remove();
    });
    byId("event-count").textContent = `${++this.#count}`;
  }
}

function withoutSecret(event) {
  const omitSecret = (key, value) => (key === "client_secret" ? undefined : value);
  return JSON.stringify(event, omitSecret, 2).replace(/\bek_\w+/g, "ek_…");
}

/** How long the call has been, and its limit: the earliest one that a server named. */
export class CallClock {
  #startedAt = null; // in performance.now(), which does not follow changes of the clock
  #endsAt = Infinity;
  #timer = null;

  clear() {
    this.stop();
    this.#startedAt = null;
    this.#endsAt = Infinity;
    byId("elapsed").textContent = clockTime(0);
    byId("limit").textContent = "";
  }

  /** Start it; while it runs it does nothing. */
  start() {
    if (this.#startedAt !== null) return;
    this.#startedAt = performance.now();
    this.#timer = setInterval(() => this.#show(), 250);
    this.#show();
  }

  /** Limit the call to so many seconds from now. */
  limit(seconds) {
    this.#endsAt = Math.min(this.#endsAt, performance.now() + seconds * 1000);
    if (this.#startedAt !== null) this.#show();
  }

  stop() {
    clearInterval(this.#timer);
    byId("left").textContent = "";
  }

  #show() {
    const now = performance.now();
    byId("elapsed").textContent = clockTime((now - this.#startedAt) / 1000);
    if (this.#endsAt === Infinity) return;
    const total = (this.#endsAt - this.#startedAt) / 1000;
    byId("left").textContent = `${clockTime(Math.max(0, Math.ceil((this.#endsAt - now) / 1000)))} left`;
    const isEnding = this.#endsAt - now < LAST_SECONDS * 1000 && total > LAST_SECONDS;
    const text = isEnding ? "ends in less than a minute" : `of ${clockTime(wholeMinutes(total))} at most`;
    // A status: it is announced at each change.
    if (byId("limit").textContent !== text) byId("limit").textContent = text;
  }
}

/** Return `1:05`, or `1:00:05`. */
function clockTime(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const pad = (number) => `${number}`.padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/** Return seconds, rounded to whole minutes if they differ by less than the time of connecting. */
function wholeMinutes(seconds) {
  const minutes = Math.round(seconds / 60) * 60;
  return minutes > 0 && Math.abs(seconds - minutes) < CONNECTING_SECONDS ? minutes : Math.ceil(seconds);
}

export class StatisticsPanel {
  #timer = null;

  clear() {
    this.stop();
    for (const value of document.querySelectorAll(".figures dd")) value.textContent = "–";
  }

  milliseconds(id, value) {
    byId(id).textContent = value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  }

  watch(call) {
    this.stop();
    const update = async () => this.#show([...(await call.stats()).values()]);
    this.#timer = setInterval(update, 1000);
    update();
  }

  stop() { clearInterval(this.#timer); }

  #show(stats) {
    const find = (type, matches = () => true) => stats.find((each) => each.type === type && matches(each));
    const toMilliseconds = (value) => (value === undefined ? undefined : value * 1000);
    const pair = find("candidate-pair", (each) => each.nominated && each.state === "succeeded");
    const isAudio = (each) => each.kind === "audio";
    this.milliseconds("rtt-ice", toMilliseconds(pair?.currentRoundTripTime));
    this.milliseconds("rtt-rtp", toMilliseconds(find("remote-inbound-rtp", isAudio)?.roundTripTime));
    const sent = find("outbound-rtp", isAudio);
    const received = find("inbound-rtp", isAudio);
    showBytes("bytes-out", sent?.bytesSent);
    showBytes("bytes-in", received?.bytesReceived);
    byId("lost").textContent = received === undefined ? "–" : `${received.packetsLost}`;
  }
}

function showBytes(id, bytes) {
  const target = byId(id);
  target.textContent = bytes === undefined ? "–" : bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`;
  target.dataset.bytes = `${bytes ?? 0}`;
}

/** How loud the audio is, at both ends. */
export class LevelMeters {
  #context = null;
  #meters = [];
  #frame = 0;
  #timer = null;

  start() {
    this.stop();
    this.#context = new AudioContext();
    this.#context.resume();
    this.#draw();
  }

  show(stream, id) {
    if (this.#context === null) return;
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 512;
    this.#context.createMediaStreamSource(stream).connect(analyser);
    this.#meters.push({ analyser, bar: document.getElementById(id), samples: new Float32Array(512) });
  }

  stop() {
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    for (const { bar } of this.#meters) bar.style.setProperty("--level", 0);
    this.#meters = [];
    this.#context?.close();
    this.#context = null;
  }

  #draw() {
    for (const { analyser, bar, samples } of this.#meters) {
      analyser.getFloatTimeDomainData(samples);
      const loudness = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
      bar.style.setProperty("--level", Math.min(1, loudness * 4).toFixed(3));
    }
    // A person who wants less motion gets steps of half a second.
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#timer = setTimeout(() => { this.#frame = requestAnimationFrame(() => this.#draw()); }, isStill ? 500 : 0);
  }
}

/** Say whether the session transcribes the user's speech, as an event of the server shows it. */
export function showTranscription({ session }) {
  const transcription = session?.audio?.input?.transcription;
  if (transcription === undefined) return; // the event does not say
  document.body.dataset.transcription = transcription ? "on" : "off";
  const name = byId("transcription-model");
  if (transcription?.model && name.textContent !== transcription.model) {
    name.textContent = transcription.model;
    byId("price").remove(); // it is another model's
  }
}
