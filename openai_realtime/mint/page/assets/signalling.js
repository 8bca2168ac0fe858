// How a call begins: the servers get its SDP offer and return an SDP answer. No other file of the page
// sends a request. The secret is a local variable, which ends when the call has begun.

import { callError, mintError, unreachableError } from "./errors.js";

export const TIMEOUT = 20_000; // milliseconds, for each request and for ICE

/**
 * Begin a call, and return `{answer, clockOffset, limit}`: the SDP answer; by how many seconds the
 * server's clock is ahead of the browser's; the seconds that the service allows the call, or null.
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
  return { answer, clockOffset, limit: null };
}

async function mint(token, signal) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await post("client-secret", { headers, body: "{}" }, "The service", signal);
  if (!response.ok) throw mintError(response, token);
  const date = Date.parse(response.headers.get("date"));
  const clockOffset = Number.isNaN(date) ? 0 : (date - Date.now()) / 1000;
  return { minted: await response.json(), clockOffset };
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
