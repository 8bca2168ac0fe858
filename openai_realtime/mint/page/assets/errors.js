// The errors of a call, as texts for the user: a problem and a remedy.

export class CallError extends Error {
  constructor(problem, remedy, { needsToken = false, retryAfter = null } = {}) {
    super(problem);
    this.remedy = remedy;
    this.needsToken = needsToken;
    this.retryAfter = retryAfter; // seconds
  }
}

const MICROPHONE = {
  NotFoundError: ["No microphone was found.", "Plug one in, or switch it on, and connect again."],
  NotAllowedError: [
    "The microphone was refused.",
    "Allow it for this page, at the left of the address bar, and connect again.",
  ],
  NotReadableError: [
    "The microphone is in use.",
    "Close the other app or tab that uses it, and connect again.",
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
  401: ["The service does not know you.", "Enter an access token, or log in to the app first."],
  403: ["The service refuses this page.", "It does not allow this page's origin."],
  429: ["The limit is reached: too many secrets were requested.", "Wait a little."],
  502: ["The API refused the service's request.", "See the service's log: its key or session may be wrong."],
  503: ["The service cannot mint at the moment.", "Try again shortly."],
};
const CALL = {
  400: ["The call was refused: the server does not take this offer.", "Connect again."],
  401: ["The secret was refused.", "It has expired, or was used already. Connect again."],
  403: ["The secret was refused.", "It may not begin a call with this model."],
  404: ["There is no such endpoint or model.", "See the service's settings."],
  429: ["The API's limit is reached.", "Wait a little."],
};

export function mintError(response) {
  const isUnauthorized = response.status === 401;
  return statusError(response, MINT, "The service refused to mint a secret.", isUnauthorized);
}

export function callError(response) {
  return statusError(response, CALL, "The call was refused.", false);
}

function statusError(response, texts, otherwise, needsToken) {
  const [problem, remedy] = texts[response.status] ?? [otherwise, "Try again shortly."];
  const header = response.headers.get("retry-after");
  const seconds = header === null ? NaN : Number(header);
  const retryAfter = Number.isFinite(seconds) ? Math.max(1, Math.ceil(seconds)) : null;
  const id = response.headers.get("x-request-id");
  const details = id === null ? `${response.status}` : `${response.status}, request ${id}`;
  return new CallError(`${problem} (${details})`, remedy, { needsToken, retryAfter });
}

export function unreachableError(serverName, error) {
  const problem = error.name === "TimeoutError" ? "did not respond in time" : "is out of reach";
  return new CallError(`${serverName} ${problem}.`, "Check the network, and connect again.");
}

export const NO_PATH = new CallError(
  "No path for the audio was found (ICE failed).",
  "A firewall or VPN may block UDP. Try another network.",
);
export const NETWORK_LOST = new CallError(
  "The network was lost, so the call has ended.",
  "Check the network, and connect again.",
);
export const HUNG_UP = new CallError("The server ended the call.", "Connect again to continue.");
