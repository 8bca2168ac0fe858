// How a call begins: the servers get its SDP offer and return an SDP answer. No other file of the page
// sends a request. The secret is a local variable, which ends when the call has begun.

import { callError, mintError, serviceError, unreachableError } from "./errors.js";

export const TIMEOUT = 20_000; // milliseconds, for each request and for ICE
const HANG_UP = 5_000; // milliseconds: the service waits 3 s for the provider
const HEARTBEAT = 15_000; // milliseconds between two heartbeats, or a third of the allowed silence

/**
 * Begin a call, and return `{answer, clockOffset, limit, address}`: the SDP answer; by how many seconds
 * the server's clock is ahead of the browser's; the seconds that the service allows the call, or null;
 * the call's address at the service, or null.
 *
 * `report(name, detail)` is called for each step. Throws a CallError.
 */
export async function beginCall(offer, token, { signal, report }) {
  report("state", "secret");
  const mintedAt = performance.now();
  const { minted, clockOffset } = await mint(token, signal);
  report("minted", { milliseconds: performance.now() - mintedAt, model: minted.model });
  report("state", "calling");
  const sentAt = performance.now();
  const answer = await exchange(offer, minted, signal);
  report("answered", { milliseconds: performance.now() - sentAt });
  return { answer, clockOffset, limit: null, address: null };
}

/** As `beginCall`, for a service that begins the calls itself. */
export async function beginServiceCall(offer, token, { signal, report }) {
  report("state", "calling");
  const sentAt = performance.now();
  const headers = { "content-type": "application/sdp", ...authorization(token) };
  const response = await post("calls", { headers, body: offer }, "The service", signal);
  if (!response.ok) throw await serviceError(response, token);
  const seconds = (name) => Number(response.headers.get(name)) || null;
  const url = new URL(response.headers.get("location"), response.url);
  const address = new CallAddress(url, token, seconds("x-heartbeat"));
  try {
    const answer = await response.text();
    signal.throwIfAborted();
    report("answered", { milliseconds: performance.now() - sentAt });
    return { answer, clockOffset: clockOffsetOf(response), limit: seconds("x-max-duration"), address };
  } catch (error) {
    address.hangUp();
    throw error;
  }
}

/** The address of a call at the service: heartbeats go there, and so does the hang-up. */
export class CallAddress {
  #url;
  #request;
  #timer = null;

  constructor(url, token, silence) {
    this.#url = url;
    this.#request = { method: "POST", keepalive: true, headers: authorization(token) };
    if (silence === null) return;
    this.#timer = setInterval(() => this.#send("/heartbeat"), Math.min(HEARTBEAT, silence * 1000 / 3));
  }

  /** Hang up; return whether the service has done it. */
  hangUp() {
    clearInterval(this.#timer);
    return this.#send("", { method: "DELETE", signal: AbortSignal.timeout(HANG_UP) });
  }

  /** Hang up while the page is closed. A beacon has no headers; the address alone is enough. */
  hangUpOnLeaving() {
    clearInterval(this.#timer);
    navigator.sendBeacon(`${this.#url}/hangup`);
  }

  #send(path, request) {
    // Without the network nothing arrives: the service hangs up when it hears no heartbeat.
    return fetch(`${this.#url}${path}`, { ...this.#request, ...request }).then(({ ok }) => ok, () => false);
  }
}

function authorization(token) { return token ? { authorization: `Bearer ${token}` } : {}; }

function clockOffsetOf(response) {
  const date = Date.parse(response.headers.get("date"));
  return Number.isNaN(date) ? 0 : (date - Date.now()) / 1000;
}

async function mint(token, signal) {
  const headers = { "content-type": "application/json", ...authorization(token) };
  const response = await post("client-secret", { headers, body: "{}" }, "The service", signal);
  if (!response.ok) throw mintError(response, token);
  return { minted: await response.json(), clockOffset: clockOffsetOf(response) };
}

async function exchange(offer, { connect_url: url, value }, signal) {
  const headers = { "content-type": "application/sdp", authorization: `Bearer ${value}` };
  const response = await post(url, { headers, body: offer, credentials: "omit" }, "The API", signal);
  if (!response.ok) throw callError(response);
  return response.text();
}

async function post(url, request, serverName, ended) {
  const signal = AbortSignal.any([ended, AbortSignal.timeout(TIMEOUT)]);
  try {
    return await fetch(url, { method: "POST", redirect: "error", cache: "no-store", signal, ...request });
  } catch (error) {
    throw unreachableError(serverName, error);
  }
}
