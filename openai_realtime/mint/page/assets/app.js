// The page: what each button does, and what is shown of a call.
// Owns: the state that the page shows. Must not know: how a call is made (call.js).

import { Call } from "./call.js";
import { Levels } from "./levels.js";
import { EventPanel, Figures, SecretLife, TranscriptPanel } from "./panels.js";

const STATES = {
  idle: "Not connected",
  microphone: "Asking for the microphone…",
  secret: "Fetching a secret…",
  calling: "Calling…",
  connecting: "Connecting…",
  connected: "Connected",
  interrupted: "Network lost, waiting for it…",
  ended: "Disconnected",
  failed: "Not connected",
};
const LIVE = new Set(["connected", "interrupted"]);
const RESTING = new Set(["idle", "ended", "failed"]);

const byId = (id) => document.getElementById(id);
const transcript = new TranscriptPanel();
const events = new EventPanel();
const life = new SecretLife();
const figures = new Figures();
const levels = new Levels();
let call = null;
let token = ""; // in memory only
let waiting = null;

function show(state) {
  document.body.dataset.state = state;
  byId("status").textContent = STATES[state];
  const isLive = LIVE.has(state);
  for (const id of ["mute", "message", "send"]) byId(id).disabled = !isLive;
  byId("disconnect").disabled = RESTING.has(state);
  byId("connect").disabled = !RESTING.has(state);
  byId("connect-label").textContent = isLive ? "Live"
    : state === "idle" ? "Connect" : RESTING.has(state) ? "Connect again" : "One moment";
}

function showMuted(isMuted) {
  byId("mute").setAttribute("aria-pressed", `${isMuted}`);
  byId("mute").textContent = isMuted ? "Unmute" : "Mute";
  document.body.classList.toggle("muted", isMuted);
}

function print_message({ message, remedy, needsToken, retryAfter }) {
  byId("problem").textContent = message;
  byId("remedy").textContent = remedy;
  byId("notice").hidden = false;
  byId("access").hidden = !needsToken;
  if (needsToken) byId("token").focus();
  if (retryAfter) countDown(retryAfter);
}

function countDown(seconds) {
  const ends = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((ends - performance.now()) / 1000);
    byId("connect").disabled = left > 0;
    byId("remedy").textContent = left > 0 ? `Try again in ${left} s.` : "You can connect again now.";
    if (left <= 0) clearInterval(waiting);
  };
  waiting = setInterval(tick, 500);
  tick();
}

function settle(state) {
  call?.end();
  call = null;
  figures.stop();
  life.stop();
  levels.end();
  byId("audio").srcObject = null;
  showMuted(false);
  show(state);
}

const ON = {
  state(state) {
    show(state);
    if (state === "connected") figures.watch(call);
  },
  microphone: (stream) => levels.show(stream, "level-out"),
  minted({ milliseconds, model, secondsLeft }) {
    figures.milliseconds("time-secret", milliseconds);
    if (secondsLeft !== null) life.begin(secondsLeft);
    if (model) byId("model").textContent = `Model: ${model}`;
  },
  answered: ({ milliseconds }) => figures.milliseconds("time-sdp", milliseconds),
  ready: ({ milliseconds }) => figures.milliseconds("time-ready", milliseconds),
  audio(stream) {
    byId("audio").srcObject = stream;
    levels.show(stream, "level-in");
  },
  sent: (event) => events.show(event, true),
  received(event) {
    events.show(event, false);
    transcript.show(event);
    if (event.type === "error") {
      print_message({ message: "The server reports an error.", remedy: event.error?.message ?? "" });
    }
  },
  failed(failure) {
    settle("failed");
    print_message(failure);
  },
};

function connect() {
  clearInterval(waiting);
  call?.end();
  byId("notice").hidden = true;
  byId("access").hidden = true;
  transcript.clear();
  events.clear();
  figures.clear();
  levels.begin();
  call = new Call((name, detail) => ON[name](detail));
  call.begin(token);
}

byId("connect").addEventListener("click", connect);
byId("disconnect").addEventListener("click", () => {
  settle("ended");
  byId("connect").focus();
});
byId("mute").addEventListener("click", () => {
  call.muted = !call.muted;
  showMuted(call.muted);
});
byId("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  byId("token").value = "";
  connect();
});
byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("message").value.trim();
  if (!text) return;
  byId("message").value = "";
  const content = [{ type: "input_text", text }];
  call.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  call.send({ type: "response.create" });
});
window.addEventListener("pagehide", () => call?.end());
show("idle");
