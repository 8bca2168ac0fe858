// The errors of a call, as texts for the user: a problem and a remedy.

export class CallError extends Error {
  constructor(problem, remedy, { needsToken = false, retryAfter = null, details = "" } = {}) {
    super(problem);
    this.remedy = remedy;
    this.needsToken = needsToken;
    this.retryAfter = retryAfter; // seconds
    this.details = details;
  }
}

const MICROPHONE = {
  NotFoundError: ["No microphone was found.", "Plug one in, or switch it on, and try again."],
  NotAllowedError: [
    "The microphone was refused.",
    "Allow it for this page in the browser’s site settings, and try again.",
  ],
  NotReadableError: [
    "The microphone is in use.",
    "Close the other app or tab that uses it, and try again.",
  ],
};

export function microphoneError(error) {
  const [problem, remedy] = MICROPHONE[error.name] ?? [
    "The microphone cannot be used.",
    `The browser says ${error.name}.`,
  ];
  return new CallError(problem, remedy);
}

export const NO_MICROPHONE_HERE = new CallError(
  "The browser offers no microphone to this page.",
  "Open the page over https, or as http://localhost.",
);

// The texts for the error statuses of the two servers.
const MINT = {
  401: ["The service does not know you.", "Log in to the app first, or enter an access token."],
  403: ["The service refuses this page.", "It does not allow this page’s origin."],
  429: ["The limit is reached: too many secrets were requested.", "Wait a little."],
  502: ["The API refused the service’s request.", "See the service’s log: its key or session may be wrong."],
  503: ["The service cannot mint at the moment.", "Try again shortly."],
};
const WRONG_TOKEN = ["That token is not accepted.", "Check it, and enter it again."];
const CALL = {
  400: ["The call was refused: the server does not take this offer.", "Try again."],
  401: ["The secret was refused.", "It has expired, or was used already. Try again."],
  403: ["The secret was refused.", "It may not begin a call with this model."],
  404: ["There is no such endpoint or model.", "See the service’s settings."],
  429: ["The API’s limit is reached.", "Wait a little."],
};

export function mintError(response, token) {
  const needsToken = response.status === 401;
  const texts = needsToken && token ? WRONG_TOKEN : MINT[response.status];
  return statusError(response, texts ?? ["The service refused to mint a secret.", "Try again shortly."], needsToken);
}

const SERVICE = {
  400: "Try again.",
  401: "Log in to the app first, or enter an access token.",
  409: "Try again.",
  429: "Wait a little.",
  502: "See the service’s log: its key or session may be wrong.",
};

/** Return the error of a service that begins the calls itself: it has a text for people. */
export async function serviceError(response, token) {
  const { error, message } = await response.json().catch(() => ({}));
  const needsToken = response.status === 401;
  const texts = [message ?? "The call was refused.", SERVICE[response.status] ?? "Try again shortly."];
  const refused = statusError(response, needsToken && token ? WRONG_TOKEN : texts, needsToken);
  if (error === "too_many_calls") {
    // It is the person who can end the other call, at once.
    Object.assign(refused, { retryAfter: null, remedy: "Hang up in the other tab or on the other device, and try again." });
  }
  return refused;
}

export function callError(response) {
  return statusError(response, CALL[response.status] ?? ["The call was refused.", "Try again shortly."], false);
}

function statusError(response, [problem, remedy], needsToken) {
  const header = response.headers.get("retry-after");
  const seconds = header === null ? NaN : Number(header);
  const retryAfter = Number.isFinite(seconds) ? Math.max(1, Math.ceil(seconds)) : null;
  const id = response.headers.get("x-request-id");
  const details = id === null ? `Status ${response.status}` : `Status ${response.status}, request ${id}`;
  return new CallError(problem, remedy, { needsToken, retryAfter, details });
}

export function unreachableError(serverName, error) {
  const problem = error.name === "TimeoutError" ? "did not respond in time" : "is out of reach";
  return new CallError(`${serverName} ${problem}.`, "Check the network, and try again.");
}

export const NO_TOKEN = new CallError("Enter the access token first.", "", { needsToken: true });
export const NO_PATH = new CallError(
  "No path for the audio was found (ICE failed).",
  "A firewall or VPN may block UDP. Try another network.",
);
export const NETWORK_LOST = new CallError(
  "The network was lost, so the call has ended.",
  "Check the network, and connect again.",
);
export const TIME_OVER = new CallError("The call’s time is over.", "Connect again to continue.");
export const NOT_PERMITTED = new CallError(
  "The provider ended the call because of its content.", "Connect again, and speak of something else.",
);
export const HUNG_UP = new CallError("The server ended the call.", "Connect again to continue.");

export function answerError(sdp) {
  // The mock's placeholder has this name.
  if (/^s=openai-realtime mock/m.test(sdp)) {
    return new CallError("The mock server takes no calls yet.", "It needs aiortc: run pip install aiortc, and start it again.");
  }
  return new CallError("The server’s response is unusable.", "It is not an SDP answer to this offer.");
}
