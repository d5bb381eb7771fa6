// Where in the film: the scrubber, the clock, steps by frame and by shot.

import { $, make, now, on, shotOf, tell } from "./api.js";

/** Go to a frame, or as near as there is one. */
export function go(frame) {
  const film = now.state.film;
  if (!film) return;
  const to = Math.min(film.frames - 1, Math.max(0, frame));
  if (to === now.frame) return;
  now.frame = to;
  now.hint = null;
  tell("frame");
  tell("hint");
}

export function goShot(by) {
  const shots = now.state.shots ?? [];
  const here = shotOf(now.frame);
  if (here < 0) return;
  const start = shots[here].first_frame;
  const to = by < 0 && now.frame > start ? here : here + by;
  if (shots[to]) go(shots[to].first_frame);
}

/** h:mm:ss.mmm of a frame, as near as the film's mean rate tells. */
export function clock(frame) {
  const { frames, seconds } = now.state.film;
  const time = Math.round((frame / frames) * seconds * 1000);
  const two = (value) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(time / 3600000), Math.floor(time / 60000) % 60, Math.floor(time / 1000) % 60];
  return `${h}:${two(m)}:${two(s)}.${String(time % 1000).padStart(3, "0")}`;
}

function draw() {
  const film = now.state.film;
  if (!film) return;
  $("scrub").max = film.frames - 1;
  $("scrub").value = now.frame;
  $("clock").textContent = clock(now.frame);
  const shot = shotOf(now.frame);
  const which = shot < 0 ? "" : ` · shot ${shot + 1} of ${now.state.shots.length}`;
  $("where").textContent = `frame ${now.frame} of ${film.frames}${which}`;
  $("scrub").setAttribute("aria-valuetext", `${$("clock").textContent}, ${$("where").textContent}`);
}

/** Where shots begin and hints are, under the scrubber. */
function drawTicks() {
  const { film, shots = [], hints = [] } = now.state;
  if (!film) return;
  const at = (frame) => `${(frame / Math.max(1, film.frames - 1)) * 100}%`;
  $("ticks").replaceChildren(
    ...shots.slice(1).map((shot) => make("i", { vars: { x: at(shot.first_frame) } })),
    ...hints
      .filter((hint) => !hint.problem)
      .map((hint) => make("b", { vars: { x: at(hint.frame), c: hint.color } })),
  );
}

export function begin() {
  let number = null;
  on("state", () => {
    const film = now.state.film;
    if (film && film.number !== number) {
      number = film.number;
      now.frame = 0;
      now.hint = null;
      tell("frame");
      tell("hint");
    }
    draw();
    drawTicks();
  });
  on("frame", draw);
  $("scrub").addEventListener("input", () => go(Number($("scrub").value)));
  $("back").onclick = () => go(now.frame - 1);
  $("onward").onclick = () => go(now.frame + 1);
}
