// Opening a film: from the studio's folder, or sent there from this device.

import { $, ask, make, now, on } from "./api.js";
import { confirmed, tried } from "./notes.js";

let here = "";

function complain(error) {
  $("files-error").textContent = error?.message ?? "";
  $("files-error").hidden = !error;
}

async function list(path) {
  try {
    const answer = await ask("GET", "/api/folder", { values: { path }, film: false });
    const { path: found, folders, films, cut } = await answer.json();
    here = found;
    complain();
    $("files-path").textContent = [now.state.folder, ...found.split("/")].filter(Boolean).join(" / ");
    const inside = (name) => (found ? `${found}/${name}` : name);
    const row = (text, small, onclick) =>
      make("li", {}, make("button", { onclick }, make("span", { className: "text" }, text, small ? make("small", { textContent: small }) : null)));
    const rows = [
      ...(found ? [row("..", "", () => list(found.split("/").slice(0, -1).join("/")))] : []),
      ...folders.map((name) => row(`${name}/`, "", () => list(inside(name)))),
      ...films.map((name) => row(name, "", () => open(inside(name)))),
    ];
    if (!folders.length && !films.length) rows.push(make("li", { className: "soft", textContent: "No film here." }));
    if (cut) rows.push(make("li", { className: "soft", textContent: "There are more than can be listed." }));
    $("files-list").replaceChildren(...rows);
  } catch (error) {
    complain(error);
  }
}

export async function show() {
  complain();
  if (!$("files").open) $("files").showModal();
  await list(here);
}

async function open(path, discard = false) {
  complain();
  $("files").inert = true;
  try {
    await ask("POST", "/api/open", { body: { path, discard }, film: false });
    $("files").close();
  } catch (error) {
    if (error.unless === "discard") {
      if (await confirmed(`${error.message}.`, "Open without saving")) await open(path, true);
    } else complain(error);
  } finally {
    $("files").inert = false;
  }
}

/** Send a film to the folder that is shown, and open it. */
export function send(file) {
  if (!$("files").open) $("files").showModal();
  complain();
  const bar = $("upload-bar");
  // Unlike fetch, this tells how far it is.
  const request = new XMLHttpRequest();
  request.open("POST", `/api/upload?${new URLSearchParams({ path: here, name: file.name })}`);
  request.setRequestHeader("X-Vidcolor", "1");
  request.responseType = "json";
  bar.hidden = false;
  bar.value = 0;
  request.upload.onprogress = (event) => (bar.value = event.loaded / event.total);
  request.onerror = () => {
    bar.hidden = true;
    complain(new Error(`${file.name}: the upload broke off; it may be larger than the studio takes`));
  };
  request.onload = async () => {
    bar.hidden = true;
    const told = request.response; // null where it is no JSON.
    if (request.status !== 200) return complain(new Error(told?.error ?? request.statusText));
    await list(here);
    await open(told.path);
  };
  request.send(file);
}

export function begin() {
  $("open").onclick = $("empty-open").onclick = () => tried(show);
  $("upload-pick").onclick = () => $("upload-file").click();
  $("upload-file").onchange = () => {
    const [file] = $("upload-file").files;
    $("upload-file").value = "";
    if (file) send(file);
  };
  on("state", () => {
    const film = now.state.film;
    $("open").textContent = film ? film.name : "Open a film";
    document.title = film ? `${film.name} · vidcolor studio` : "vidcolor studio";
    if (film) here = film.path.split("/").slice(0, -1).join("/");
  });
}
