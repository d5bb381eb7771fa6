// The list of shots, each with a still of its middle, in colour.

import { $, ask, make, now, on, shotOf, step, tell } from "./api.js";
import { tried } from "./notes.js";
import { isBusy } from "./picture.js";
import { go } from "./time.js";

const stills = new Map(); // By shot: { key, address }.
let seen = new Set();
let loading = false;
let rest = 0; // A timer while something was changed a moment ago.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target.dataset.shot);
    else seen.delete(target.dataset.shot);
  }
  load();
});

function middle(index) {
  const { shots, film } = now.state;
  const end = shots[index + 1]?.first_frame ?? film.frames;
  return Math.floor((shots[index].first_frame + end) / 2);
}

/** All that a shot's still depends on. */
function keyOf(index) {
  const { shots, hints, references, look, film } = now.state;
  const has = (hint) => {
    const its = shotOf(hint.frame);
    return hint.scope === "film" || its === index || (hint.scope === "onward" && its < index);
  };
  const stills = references.filter((it) => it.frame === null || shotOf(it.frame) === index);
  return JSON.stringify([film.number, middle(index), look, shots[index].look, hints.filter(has), stills]);
}

/** Not yet: what was changed may soon be changed again, and the large picture comes first. */
function later() {
  clearTimeout(rest);
  rest = setTimeout(() => {
    rest = 0;
    load();
  }, 700);
}

/** One at a time, and only while the large picture needs nothing. */
async function load() {
  if (loading) return;
  loading = true;
  try {
    for (;;) {
      if (rest || isBusy()) return; // The timer or "picture" tells when to go on.
      const shots = now.state.shots ?? [];
      const index = shots.findIndex(
        (shot, place) => seen.has(String(shot.first_frame)) && stills.get(shot.first_frame)?.key !== keyOf(place),
      );
      if (index < 0) return;
      const first = shots[index].first_frame;
      const key = keyOf(index);
      const old = stills.get(first);
      stills.set(first, { key, address: old?.address });
      const answer = await ask("GET", `/api/frames/${middle(index)}/after.jpg`, { values: { tallest: 112 } });
      const address = URL.createObjectURL(await answer.blob());
      if (old?.address) URL.revokeObjectURL(old.address);
      stills.set(first, { key, address });
      const image = document.querySelector(`.shot[data-shot="${first}"] img`);
      if (image) image.src = address;
    }
  } catch {
    // A shot without a still; the large picture tells what is wrong.
  } finally {
    loading = false;
  }
}

function draw() {
  const { film, shots = [], hints = [], references = [] } = now.state;
  const work = now.work;
  const finding = work?.kind === "shots" && work.state === "running";
  $("shot-count").textContent = finding ? "are being found …" : film ? `(${shots.length})` : "";
  $("cut").hidden = $("join").hidden = !shots.length;
  $("find").hidden = finding || !film || shots.length > 0;
  watcher.disconnect();
  seen = new Set();
  const here = shotOf(now.frame);
  const dots = (index) => {
    const count = hints.filter((hint) => shotOf(hint.frame) === index).length;
    const stills = references.filter((it) => it.frame !== null && shotOf(it.frame) === index).length;
    const own = Object.keys(shots[index].look).length > 0;
    return [count ? `${count} ●` : "", stills ? "▣" : "", own ? "◐" : ""].filter(Boolean).join(" ");
  };
  const rows = shots.map((shot, index) => {
    const address = stills.get(shot.first_frame)?.address;
    const button = make(
      "button",
      {
        className: "shot",
        dataset: { shot: shot.first_frame },
        aria: { label: `Shot ${index + 1}, from ${shot.start}`, current: String(index === here) },
        onclick: () => go(shot.first_frame),
      },
      make("span", { className: "still" }, make("img", { alt: "", ...(address ? { src: address } : {}) })),
      make(
        "span",
        { className: "caption" },
        make("span", { textContent: `${index + 1}` }),
        make("span", { className: "dots", textContent: dots(index), title: "hints, stills, a look of its own" }),
        make("span", { textContent: shot.start.slice(0, -4) }),
      ),
    );
    return make("li", {}, button);
  });
  const focused = document.activeElement?.dataset?.shot;
  $("shot-list").replaceChildren(...rows);
  for (const row of document.querySelectorAll(".shot")) watcher.observe(row);
  if (focused !== undefined) document.querySelector(`.shot[data-shot="${focused}"]`)?.focus();
  drawHere();
}

function drawHere() {
  const { shots = [] } = now.state;
  const here = shotOf(now.frame);
  document.querySelectorAll(".shot").forEach((row, index) => {
    const is = index === here;
    if (is && row.getAttribute("aria-current") !== "true") {
      const list = $("shot-list");
      const [top, left] = [row.offsetTop - list.offsetTop, row.offsetLeft - list.offsetLeft];
      if (top < list.scrollTop || top + row.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - 40;
      if (left < list.scrollLeft || left + row.offsetWidth > list.scrollLeft + list.clientWidth) list.scrollLeft = left - 40;
    }
    row.setAttribute("aria-current", String(is));
  });
  const start = shots[here]?.first_frame;
  $("cut").disabled = start === undefined || start === now.frame;
  $("join").disabled = !start;
}

export function begin() {
  let number = null;
  let running = "";
  on("state", () => {
    if (now.state.film?.number !== number) {
      number = now.state.film?.number;
      stills.clear();
    }
    later();
    draw();
  });
  on("work", () => {
    const next = `${now.work?.kind}${now.work?.state}`;
    if (next !== running) draw();
    running = next;
  });
  on("frame", drawHere);
  on("picture", load);
  $("find").onclick = () => tried(() => ask("POST", "/api/work", { body: { kind: "shots" } }));
  $("cut").onclick = () => tried(() => step({ do: "cut", frame: now.frame }));
  $("join").onclick = () =>
    tried(async () => {
      await step({ do: "join", frame: now.state.shots[shotOf(now.frame)].first_frame });
      tell("frame");
    });
}
