// The look of the film, or of one shot: four sliders.

import { $, latest, make, now, on, shotOf, step } from "./api.js";
import { tried } from "./notes.js";

const SLIDERS = [
  ["saturation", "Saturation", 0, 2, "grey", "vivid"],
  ["warmth", "Warmth", -1, 1, "cooler", "warmer"],
  ["tint", "Tint", -1, 1, "greener", "pinker"],
  ["vibrance", "Vibrance", -1, 1, "dull colours less", "more"],
];
let forShot = false;
let gesture = 0;

const shot = () => (forShot ? now.state.shots?.[shotOf(now.frame)] : undefined);

const send = latest(
  ({ film, ...asked }) => tried(() => step({ do: "look", ...asked }, film)),
  ({ film, shot, look }) => JSON.stringify([film, shot, Object.keys(look)]),
);

/** Set some of the look of what is shown now, for by the time it is sent that may be another. */
function set(look, gesture) {
  send({ film: now.state.film?.number, shot: shot()?.first_frame, look, gesture });
}

function draw() {
  const { defaults, look, shots = [] } = now.state;
  if (!defaults) return;
  $("look-shot").disabled = shots.length === 0;
  $("look-film").setAttribute("aria-pressed", String(!forShot));
  $("look-shot").setAttribute("aria-pressed", String(forShot));
  $("look-reset").textContent = forShot ? "As the film has it" : "As it is by default";
  const own = shot() ? shot().look : look;
  const film = { ...defaults, ...look };
  for (const [key] of SLIDERS) {
    const value = (shot() ? own[key] : undefined) ?? film[key];
    const box = $(`look-${key}`);
    if (document.activeElement !== box || box.dataset.moving !== "1") box.value = value;
    $(`value-${key}`).textContent = Number(value).toFixed(2);
    box.closest(".slider").classList.toggle("own", key in own);
  }
  $("look-reset").disabled = SLIDERS.every(([key]) => !(key in own));
}

export function begin() {
  $("sliders").replaceChildren(
    ...SLIDERS.map(([key, name, min, max, less, more]) =>
      make(
        "div",
        { className: "slider" },
        make(
          "div",
          { className: "row" },
          make("label", { htmlFor: `look-${key}`, textContent: name }),
          make("output", { id: `value-${key}` }),
        ),
        make("input", {
          id: `look-${key}`,
          type: "range",
          min,
          max,
          step: 0.01,
          onpointerdown: () => (gesture += 1),
          onkeydown: () => (gesture += 1),
          oninput: (event) => {
            event.target.dataset.moving = "1";
            $(`value-${key}`).textContent = Number(event.target.value).toFixed(2);
            set({ [key]: Number(event.target.value) }, `${key}${gesture}`);
          },
          onchange: (event) => (event.target.dataset.moving = ""),
        }),
        make(
          "div",
          { className: "ends" },
          make("span", { textContent: less }),
          make("span", { textContent: more }),
        ),
      ),
    ),
  );
  $("look-film").onclick = () => {
    forShot = false;
    draw();
  };
  $("look-shot").onclick = () => {
    forShot = true;
    draw();
  };
  $("look-reset").onclick = () => set(Object.fromEntries(SLIDERS.map(([key]) => [key, null])));
  on("state", draw);
  on("frame", draw);
}
