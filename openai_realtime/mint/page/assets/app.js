// The page: the actions of its buttons, and the state of the call that it shows.

import { Call } from "./call.js";
import { EventPanel, LevelMeters, SecretLifetime, StatisticsPanel, TranscriptPanel } from "./panels.js";

const STATES = {
  idle: "Not connected",
  microphone: "Requesting the microphone…",
  secret: "Fetching a secret…",
  calling: "Calling…",
  connecting: "Connecting…",
  connected: "Connected",
  interrupted: "Network lost, reconnecting…",
  ended: "Disconnected",
  failed: "Not connected",
};
const LIVE = new Set(["connected", "interrupted"]);
const WITHOUT_CALL = new Set(["idle", "ended", "failed"]);

const byId = (id) => document.getElementById(id);
const transcript = new TranscriptPanel();
const events = new EventPanel();
const lifetime = new SecretLifetime();
const statistics = new StatisticsPanel();
const levels = new LevelMeters();
let call = null;
let token = ""; // in memory only
let countdown = null;

function showState(state) {
  document.body.dataset.state = state;
  byId("status").textContent = STATES[state];
  const isLive = LIVE.has(state);
  for (const id of ["mute", "message", "send"]) byId(id).disabled = !isLive;
  byId("disconnect").disabled = WITHOUT_CALL.has(state);
  byId("connect").disabled = !WITHOUT_CALL.has(state);
  byId("connect-label").textContent = isLive ? "Live"
    : state === "idle" ? "Connect" : WITHOUT_CALL.has(state) ? "Connect again" : "One moment";
}

function showMuted(isMuted) {
  byId("mute").setAttribute("aria-pressed", `${isMuted}`);
  byId("mute").textContent = isMuted ? "Unmute" : "Mute";
  document.body.classList.toggle("muted", isMuted);
}

function showError({ message, remedy, needsToken, retryAfter }) {
  byId("problem").textContent = message;
  byId("remedy").textContent = remedy;
  byId("notice").hidden = false;
  byId("access").hidden = !needsToken;
  if (needsToken) byId("token").focus();
  if (retryAfter) countDown(retryAfter);
}

function countDown(seconds) {
  const endsAt = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((endsAt - performance.now()) / 1000);
    byId("connect").disabled = left > 0;
    byId("remedy").textContent = left > 0 ? `Try again in ${left} s.` : "You can connect again now.";
    if (left <= 0) clearInterval(countdown);
  };
  countdown = setInterval(tick, 500);
  tick();
}

function endCall(state) {
  call?.end();
  call = null;
  statistics.stop();
  lifetime.stop();
  levels.stop();
  byId("audio").srcObject = null;
  showMuted(false);
  showState(state);
}

const HANDLERS = {
  state(state) {
    showState(state);
    if (state === "connected") statistics.watch(call);
  },
  microphone: (stream) => levels.show(stream, "level-out"),
  minted({ milliseconds, model, secondsLeft }) {
    statistics.milliseconds("time-secret", milliseconds);
    if (secondsLeft !== null) lifetime.start(secondsLeft);
    if (model) byId("model").textContent = `Model: ${model}`;
  },
  answered: ({ milliseconds }) => statistics.milliseconds("time-sdp", milliseconds),
  ready: ({ milliseconds }) => statistics.milliseconds("time-ready", milliseconds),
  audio(stream) {
    byId("audio").srcObject = stream;
    levels.show(stream, "level-in");
  },
  sent: (event) => events.show(event, true),
  received(event) {
    events.show(event, false);
    transcript.show(event);
    if (event.type === "error") {
      showError({ message: "The server reports an error.", remedy: event.error?.message ?? "" });
    }
  },
  failed(error) {
    endCall("failed");
    showError(error);
  },
};

function connect() {
  clearInterval(countdown);
  call?.end();
  byId("notice").hidden = true;
  byId("access").hidden = true;
  transcript.clear();
  events.clear();
  statistics.clear();
  levels.start();
  call = new Call((name, detail) => HANDLERS[name](detail));
  call.start(token);
}

byId("connect").addEventListener("click", connect);
byId("disconnect").addEventListener("click", () => {
  endCall("ended");
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
showState("idle");
