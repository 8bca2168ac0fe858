// The parts of the page that fill up while a call goes on.
// Owns: their elements. Must not know: WebRTC, requests. Text is set as text: nothing becomes HTML.

import { saidBy } from "./transcript.js";

const MOST_EVENTS = 300;
const NAMES = { user: "You", assistant: "Model", system: "System" };
const byId = (id) => document.getElementById(id);

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function keepAtEnd(box, change) {
  const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  change();
  if (isAtEnd) box.scrollTop = box.scrollHeight;
}

export class TranscriptPanel {
  #box = byId("transcript");
  #lines = new Map();

  clear() {
    for (const { line } of this.#lines.values()) line.remove();
    this.#lines.clear();
    byId("transcript-empty").hidden = false;
  }

  show(event) {
    const said = saidBy(event);
    if (said === null) return;
    keepAtEnd(this.#box, () => {
      const { line, words } = this.#lines.get(said.id) ?? this.#add(said);
      words.textContent = said.more === undefined
        ? said.text || words.textContent : words.textContent + said.more;
      // A line is kept in its place before there are words for it.
      line.hidden = words.textContent === "";
      if (!line.hidden) byId("transcript-empty").hidden = true;
    });
  }

  #add({ id, who }) {
    const line = element("p", `line ${who}`);
    const words = element("span", "words");
    line.append(element("span", "who", NAMES[who] ?? who), words);
    line.hidden = true;
    this.#box.append(line);
    this.#lines.set(id, { line, words });
    return this.#lines.get(id);
  }
}

export class EventPanel {
  #list = byId("events");
  #count = 0;
  #begun = performance.now();

  clear() {
    this.#list.replaceChildren();
    this.#count = 0;
    this.#begun = performance.now();
    byId("event-count").textContent = "0";
  }

  show(event, isSent) {
    const row = element("li", event.type === "error" ? "event error" : "event");
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    const seconds = ((performance.now() - this.#begun) / 1000).toFixed(2);
    const way = element("span", "way", isSent ? "↑" : "↓");
    way.setAttribute("role", "img");
    way.setAttribute("aria-label", isSent ? "sent" : "received");
    summary.append(way, element("span", "type", event.type), element("time", "at", `${seconds} s`));
    details.append(summary);
    // The content is written out when somebody looks.
    details.addEventListener("toggle", () => details.append(element("pre", "", shown(event))), { once: true });
    row.append(details);
    keepAtEnd(this.#list, () => {
      this.#list.append(row);
      if (this.#list.childElementCount > MOST_EVENTS) this.#list.firstElementChild.remove();
    });
    byId("event-count").textContent = `${++this.#count}`;
  }
}

function shown(event) {
  const withoutSecret = (key, value) => (key === "client_secret" ? undefined : value);
  return JSON.stringify(event, withoutSecret, 2).replace(/\bek_\w+/g, "ek_…");
}

export class SecretLife {
  #ends = 0; // by performance.now(), which no change of the clock moves
  #whole = 1;
  #timer = null;

  begin(seconds) {
    this.stop();
    this.#whole = Math.max(1, seconds);
    this.#ends = performance.now() + seconds * 1000;
    this.#timer = setInterval(() => this.#show(), 250);
    this.#show();
  }

  stop() {
    clearInterval(this.#timer);
    byId("life").textContent = "–";
    byId("life-bar").value = 0;
  }

  #show() {
    const left = Math.max(0, (this.#ends - performance.now()) / 1000);
    byId("life").textContent = left > 0 ? `${Math.ceil(left)} s left` : "expired";
    byId("life-bar").value = left / this.#whole;
    if (left === 0) clearInterval(this.#timer);
  }
}

export class Figures {
  #timer = null;

  clear() {
    this.stop();
    for (const figure of document.querySelectorAll(".figures dd")) figure.textContent = "–";
  }

  milliseconds(id, value) {
    byId(id).textContent = value === undefined ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  }

  watch(call) {
    this.stop();
    const look = async () => this.#show([...(await call.stats()).values()]);
    this.#timer = setInterval(look, 1000);
    look();
  }

  stop() { clearInterval(this.#timer); }

  #show(stats) {
    const find = (type, fits = () => true) => stats.find((each) => each.type === type && fits(each));
    const seconds = (value) => (value === undefined ? undefined : value * 1000);
    const pair = find("candidate-pair", (each) => each.nominated && each.state === "succeeded");
    const isAudio = (each) => each.kind === "audio";
    this.milliseconds("rtt-ice", seconds(pair?.currentRoundTripTime));
    this.milliseconds("rtt-rtp", seconds(find("remote-inbound-rtp", isAudio)?.roundTripTime));
    const sent = find("outbound-rtp", isAudio);
    const received = find("inbound-rtp", isAudio);
    showBytes("bytes-out", sent?.bytesSent);
    showBytes("bytes-in", received?.bytesReceived);
    byId("lost").textContent = received === undefined ? "–" : `${received.packetsLost}`;
  }
}

function showBytes(id, bytes) {
  const place = byId(id);
  place.textContent = bytes === undefined ? "–" : bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`;
  place.dataset.bytes = `${bytes ?? 0}`;
}
