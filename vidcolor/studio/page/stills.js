// Reference stills: dropped on the picture or chosen, kept for the shot that is shown.

import { $, ask, make, now, on, query, shotOf } from "./api.js";
import { note, tried } from "./notes.js";
import { go } from "./time.js";

export async function add(file) {
  if (!now.state.film) return;
  const shot = shotOf(now.frame) + 1;
  await tried(async () => {
    await ask("POST", "/api/references", { values: { frame: now.frame, name: file.name }, body: file });
    $("tab-stills").click();
    note(`${file.name}: taken as the reference for ${shot ? `shot ${shot}` : "its shot"}`, { bad: false });
  });
}

function draw() {
  const { references = [], film } = now.state;
  $("still-add").disabled = !film;
  $("still-list").replaceChildren(
    ...references.map(({ name, frame, shot }) => {
      const number = frame !== null ? shotOf(frame) + 1 : shot;
      const title = number ? `Shot ${number}` : "Whole film";
      const first = frame ?? now.state.shots?.[shot - 1]?.first_frame ?? now.frame;
      return make(
        "li",
        {},
        make(
          "button",
          { className: "quiet", onclick: () => go(first) },
          make("img", { src: `/api/references/${encodeURIComponent(name)}${query()}`, alt: "" }),
          make("span", { className: "text" }, title, make("small", { textContent: name })),
        ),
        make("button", {
          className: "quiet round",
          textContent: "×",
          aria: { label: `Take away ${name}` },
          onclick: () =>
            tried(() => ask("DELETE", `/api/references/${encodeURIComponent(name)}`)),
        }),
      );
    }),
  );
}

export function begin() {
  on("state", draw);
  $("still-add").onclick = () => $("still-file").click();
  $("still-file").onchange = () => {
    const [file] = $("still-file").files;
    $("still-file").value = "";
    if (file) add(file);
  };
}
