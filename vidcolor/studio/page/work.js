// Long work: the film, a clip of a shot, the search for shots. It goes on without this page.

import { $, ask, make, now, on, query } from "./api.js";
import { note, tried } from "./notes.js";

const TITLES = { shots: "Finding the shots", clip: "Preview in motion", film: "The film" };
const STATES = { running: "", done: "done", failed: "failed", stopped: "stopped" };
let played = null;
let named = "";

function draw() {
  const work = now.work;
  const running = work?.state === "running";
  // What ended as it should, and is to be seen elsewhere, needs no words here.
  const telling = work && (work.kind === "film" || running || work.state === "failed" || work.warnings.length);
  $("work").hidden = !telling || !now.state.film;
  $("run").disabled = $("play").disabled = running || !now.state.film;
  if (!work) return;
  $("work-title").textContent = [TITLES[work.kind], STATES[work.state]].filter(Boolean).join(": ");
  $("work-stop").hidden = !running;
  $("work-bar").hidden = !running;
  if (work.total && work.done) $("work-bar").value = work.done / work.total;
  else $("work-bar").removeAttribute("value");
  $("work-line").textContent = running ? progress(work) : work.message;
  $("work-line").classList.toggle("error", work.state === "failed");
  const warnings = [...work.warnings, ...(work.more_warnings ? [`and ${work.more_warnings} more warnings`] : [])];
  $("work-warnings").replaceChildren(...warnings.map((line) => make("li", { textContent: line })));
  $("download").hidden = !(work.kind === "film" && work.state === "done");
  if (work.kind === "film" && work.state === "done") $("download").textContent = `Download ${work.result.name}`;
  if (work.kind === "clip" && work.state === "done") play(work);
}

function progress({ done, total, seconds, phase }) {
  if (!done) return "getting ready …";
  const speed = done / Math.max(seconds, 0.1);
  const words = [phase === "follow" ? "following what is known:" : "", `${done} of ${total ?? "?"} frames`];
  if (total && seconds > 2) {
    const left = Math.round((total - done) / speed);
    words.push(`· ${speed.toFixed(1)} a second · ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`);
  }
  return words.join(" ");
}

function play(work) {
  if (played === null || played !== work.number) return;
  played = null;
  $("clip").src = `/api/clip${query({ number: work.number })}`;
  $("motion").hidden = false;
  $("motion").classList.toggle("double", !work.result.split);
  $("picture").classList.add("away");
  $("clip").play().catch(() => {});
  $("clip").focus();
}

export function stopPlaying() {
  if ($("motion").hidden) return;
  $("clip").pause();
  $("clip").removeAttribute("src");
  $("motion").hidden = true;
  $("picture").classList.remove("away");
}

function drawForm() {
  const { presets = [], targets, film, command } = now.state;
  if (!film) return;
  if ($("preset").options.length !== presets.length) {
    const first = ["default", ...presets.filter((name) => name !== "default")];
    $("preset").replaceChildren(...first.map((name) => make("option", { value: name, textContent: name })));
  }
  const proposed = targets[$("preset").value];
  if (named === "" || $("name").value === named || $("name").dataset.film !== String(film.number)) {
    named = $("name").value = proposed;
    if ($("name").dataset.film !== String(film.number)) $("overwrite").checked = false;
    $("name").dataset.film = String(film.number);
  }
  const name = $("name").value;
  const [source, options] = command;
  const target = /^[\w./-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
  const preset = $("preset").value === "default" ? "" : `--preset ${$("preset").value}`;
  $("command").textContent = ["vidcolor", source, target, preset, options].filter(Boolean).join(" ");
}

export function begin() {
  on("work", draw);
  on("state", () => {
    draw();
    drawForm();
  });
  on("frame", stopPlaying);
  $("preset").onchange = $("name").oninput = drawForm;
  $("work-stop").onclick = () => tried(() => ask("DELETE", "/api/work"));
  $("clip-close").onclick = stopPlaying;
  $("clip").addEventListener("error", () => {
    if ($("clip").getAttribute("src")) note("The browser cannot play this clip.");
  });
  $("play").onclick = () =>
    tried(async () => {
      const body = { kind: "clip", frame: now.frame, split: $("show-both").getAttribute("aria-pressed") === "true" };
      const answer = await ask("POST", "/api/work", { body });
      played = (await answer.json()).number;
      draw();
    });
  $("make").addEventListener("submit", (event) => {
    event.preventDefault();
    const body = { kind: "film", name: $("name").value, preset: $("preset").value, overwrite: $("overwrite").checked };
    tried(() => ask("POST", "/api/work", { body }));
  });
}
