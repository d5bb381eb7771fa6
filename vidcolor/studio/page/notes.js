// Messages: what was refused and why, one line each, until they are put away; and questions.

import { $, make } from "./api.js";

const MOST = 4;

export function note(text, { bad = true } = {}) {
  for (const old of $("notes").children) if (old.dataset.text === text) return;
  const line = make("div", { className: bad ? "note bad" : "note", dataset: { text } });
  const close = make("button", { className: "quiet round", textContent: "×", onclick: () => line.remove() });
  close.setAttribute("aria-label", "Put this message away");
  line.append(make("span", { textContent: text }), close);
  $("notes").append(line);
  while ($("notes").children.length > MOST) $("notes").firstChild.remove();
  if (!bad) setTimeout(() => line.remove(), 6000);
}

/** Runs `work`, and shows what it was refused for. */
export async function tried(work) {
  try {
    return await work();
  } catch (error) {
    note(error.message);
    return undefined;
  }
}

/** Whether the user says yes. */
export function confirmed(text, yes) {
  $("ask-text").textContent = text;
  $("ask-yes").textContent = yes;
  $("ask").returnValue = "no";
  $("ask").showModal();
  return new Promise((resolve) => {
    $("ask").addEventListener("close", () => resolve($("ask").returnValue === "yes"), { once: true });
  });
}
