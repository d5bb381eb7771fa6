// Requests to the server, and the one copy of what it tells.

/** What a request was refused for; `message` is one line for people. `unless` names the field of
 * the request that has it done all the same, if there is one. */
export class Refused extends Error {
  constructor(message, unless) {
    super(message);
    this.unless = unless;
  }
}

export const $ = (id) => document.getElementById(id);

/** An element with properties, listeners (onclick …) and children. */
export function make(tag, properties = {}, ...children) {
  const { dataset, aria, vars, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  for (const [key, value] of Object.entries(aria ?? {})) element.setAttribute(`aria-${key}`, value);
  for (const [key, value] of Object.entries(vars ?? {})) element.style.setProperty(`--${key}`, value);
  Object.assign(element.dataset, dataset ?? {});
  element.append(...children.filter((child) => child != null));
  return element;
}

const listeners = new Map();

/** Call `then` whenever `what` (state, work, frame, hint, picture) changes. */
export function on(what, then) {
  listeners.set(what, [...(listeners.get(what) ?? []), then]);
}

export function tell(what) {
  for (const then of listeners.get(what) ?? []) then();
}

/** `state` and `work` are the server's; `frame` and `hint` (its id, or null) are this tab's. */
export const now = { state: { film: null }, work: null, frame: 0, hint: null };

export function query(values = {}) {
  const all = { ...(now.state.film ? { film: now.state.film.number } : {}), ...values };
  const given = Object.entries(all).filter(([, value]) => value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export async function ask(method, path, { values = {}, body, film = true } = {}) {
  const address = path + (film ? query(values) : `?${new URLSearchParams(values)}`);
  const headers = method === "GET" ? {} : { "X-Vidcolor": "1" };
  let answer;
  try {
    answer = await fetch(address, {
      method,
      headers,
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
    });
  } catch {
    throw new Refused("The studio does not answer; is it still running?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refused(told.error ?? `${answer.status} ${answer.statusText}`, told.unless);
}

/** One change to what is decided about the film, the open one or that of this number; returns its
 * result. */
export async function step(asked, film = now.state.film?.number) {
  const answer = await ask("POST", "/api/steps", { values: { film }, body: asked });
  const { result, state } = await answer.json();
  adopt(state);
  return result;
}

/** Takes a state for the present one, unless a later one is known. */
function adopt(state) {
  if (state.server === now.state.server && state.version <= now.state.version) return;
  now.state = state;
  tell("state");
}

/** Does `work(value)` for the last value it is given, one at a time; those between are left out.
 * Where `of(value)` tells what a value is for, that is so for each of those, in the order of their
 * last values. */
export function latest(work, of = () => "") {
  const waiting = new Map();
  let running = false;
  return async (value) => {
    waiting.delete(of(value));
    waiting.set(of(value), value);
    if (running) return;
    running = true;
    try {
      while (waiting.size) {
        const [[key, next]] = waiting;
        waiting.delete(key);
        await work(next);
      }
    } finally {
      running = false;
    }
  };
}

/** The server's news, for as long as the page is open. The browser connects again by itself. */
export function listen() {
  const news = new EventSource("/api/news");
  news.addEventListener("state", (event) => adopt(JSON.parse(event.data)));
  news.addEventListener("work", (event) => {
    now.work = JSON.parse(event.data);
    tell("work");
  });
  news.onopen = () => ($("lost").hidden = true);
  news.onerror = () => ($("lost").hidden = false);
}

/** The shot that a frame is in: its place in the list, -1 while none are known. */
export function shotOf(frame) {
  return (now.state.shots ?? []).findLastIndex((shot) => shot.first_frame <= frame);
}
