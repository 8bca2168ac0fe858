// The page: the actions of its buttons, and the state of the call that it shows.

import { Call } from "./call.js";
import { NO_TOKEN } from "./errors.js";
import {
  CallClock, EventPanel, LevelMeters, StatisticsPanel, TranscriptPanel, showTranscription,
} from "./panels.js";

const STATES = {
  idle: "Not connected",
  microphone: "Requesting the microphone…",
  secret: "Fetching a secret…",
  calling: "Calling…",
  connecting: "Connecting…",
  connected: "Connected",
  interrupted: "Network lost, reconnecting…",
  ended: "Call ended",
  failed: "Not connected",
};
const LIVE = new Set(["connected", "interrupted"]);
const WITHOUT_CALL = new Set(["idle", "ended", "failed"]);

const byId = (id) => document.getElementById(id);
const transcript = new TranscriptPanel();
const events = new EventPanel();
const clock = new CallClock();
const statistics = new StatisticsPanel();
const levels = new LevelMeters();
let call = null;
let wasConnected = false;
let token = ""; // in memory only
let countdown = null;

function showState(state) {
  const isLive = LIVE.has(state);
  keepFocus(() => {
    document.body.dataset.state = state;
    byId("status").textContent = STATES[state];
    for (const id of ["mute", "message", "send"]) byId(id).disabled = !isLive;
    byId("token").disabled = !WITHOUT_CALL.has(state);
    byId("call-label").textContent = isLive ? "Hang up"
      : !WITHOUT_CALL.has(state) ? "Cancel" : wasConnected ? "Connect again" : "Connect";
  });
}

/** Change the page; if that hides or disables the focused element, focus the call's button. */
function keepFocus(change) {
  const focused = document.activeElement;
  change();
  const isLost = focused.matches(":disabled") || !focused.checkVisibility();
  if (isLost && focused !== document.body) byId("call").focus();
}

function showMuted(isMuted) {
  byId("mute").setAttribute("aria-pressed", `${isMuted}`);
  document.body.classList.toggle("muted", isMuted);
}

function showError({ message, remedy, needsToken, retryAfter, details }) {
  if (needsToken) requestToken(message);
  byId("notice").hidden = needsToken;
  byId("problem").textContent = message;
  byId("remedy").textContent = retryAfter ? "" : remedy;
  byId("details").hidden = !details;
  byId("details").open = false;
  byId("details-text").textContent = details;
  if (retryAfter) countDown(retryAfter);
}

function requestToken(problem) {
  token = "";
  document.body.dataset.access = "token";
  byId("token").placeholder = "";
  byId("token").setAttribute("aria-invalid", "true");
  byId("token-error").textContent = problem;
  byId("token").focus();
}

function clearError() {
  clearInterval(countdown);
  keepFocus(() => {
    for (const id of ["notice", "wait", "details"]) byId(id).hidden = true;
    byId("token").removeAttribute("aria-invalid");
    byId("token-error").textContent = "";
  });
}

function countDown(seconds) {
  const endsAt = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((endsAt - performance.now()) / 1000);
    byId("wait").hidden = left <= 0;
    byId("wait").textContent = `Try again in ${left} s.`;
    if (left > 0) return byId("call").setAttribute("aria-disabled", "true");
    clearInterval(countdown);
    byId("call").removeAttribute("aria-disabled");
    byId("remedy").textContent = "You can try again now.";
  };
  countdown = setInterval(tick, 500);
  tick();
}

function connect() {
  clearError();
  if (document.body.dataset.access === "token") {
    token = byId("token").value.trim() || token;
    if (!token) return showError(NO_TOKEN);
    byId("token").value = "";
    byId("token").placeholder = "Entered: type to replace it";
  }
  transcript.clear();
  events.clear();
  statistics.clear();
  clock.clear();
  levels.start();
  const { broker, api } = document.body.dataset;
  call = new Call((name, detail) => HANDLERS[name](detail), { isByService: broker === "on", isLive: api === "live" });
  call.start(token);
}

function endCall(state, options) {
  call.end(options);
  clock.stop();
  statistics.stop();
  levels.stop();
  byId("audio").srcObject = null;
  showMuted(false);
  showState(state);
  if (call.wasConnected) byId("status").textContent = STATES.ended;
  call = null;
}

const HANDLERS = {
  state(state) {
    if (state === "connected") {
      wasConnected = true;
      clock.start();
      statistics.watch(call);
    }
    showState(state);
  },
  microphone: (stream) => levels.show(stream, "level-out"),
  minted({ milliseconds, model }) {
    statistics.milliseconds("time-secret", milliseconds);
    if (model) HANDLERS.model(model);
  },
  model(name) { byId("model").textContent = `Model: ${name}`; },
  answered: ({ milliseconds }) => statistics.milliseconds("time-sdp", milliseconds),
  ready: ({ milliseconds }) => statistics.milliseconds("time-ready", milliseconds),
  limit: (seconds) => clock.limit(seconds),
  audio(stream) {
    byId("audio").srcObject = stream;
    levels.show(stream, "level-in");
  },
  sent: (event) => events.show(event, true),
  received(event) {
    events.show(event, false);
    transcript.show(event);
    showTranscription(event);
  },
  failed(error) {
    endCall("failed");
    showError(error);
  },
};

byId("call-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (byId("call").getAttribute("aria-disabled") === "true") return;
  if (call === null) connect();
  else endCall(call.wasConnected ? "ended" : "idle");
});
byId("mute").addEventListener("click", () => {
  call.muted = !call.muted;
  showMuted(call.muted);
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
window.addEventListener("pagehide", () => { if (call !== null) endCall("ended", { isLeaving: true }); });
