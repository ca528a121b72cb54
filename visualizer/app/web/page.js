"use strict";

// The page around the canvas: it hands events of the browser to the engine, and shows what page_state() says.

const element = id => document.getElementById(id);
const canvas = element("canvas");
// In a frame of another page, or of a notebook
const embedded = new URLSearchParams(location.search).get("embed") === "1" || location.href === "about:srcdoc";
let engine, state = {}, dirty = true, drawn = 0;

// ---- Loading ------------------------------------------------------------------------

function fail(sentence) {
  element("loading").hidden = false;
  element("loading").textContent = sentence;
}

async function unpacked(id) {
  const packed = element(id), text = atob(packed.textContent);
  packed.remove();
  const bytes = Uint8Array.from(text, character => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function load() {
  if (typeof DecompressionStream === "undefined" || typeof WebAssembly === "undefined")
    return fail("The browser must run WebAssembly and unpack data (DecompressionStream); this one does not; use one of 2023 or later.");
  document.body.classList.toggle("embedded", embedded);
  const glue = await unpacked("glue"), program = await unpacked("program");
  element("progress").value = 0.5;
  const openEngine = new Function(new TextDecoder().decode(glue) + "; return openEngine;")();
  engine = await openEngine({wasmBinary: program, onAbort: reason => fail("The engine has stopped: " + reason + ". Reload the page.")});
  const error = call("page_open", "string", [], []);
  if (error) return fail(error);
  element("progress").value = 0.9;
  await begin();
}

function call(name, result = null, types = [], values = []) {
  dirty = true;
  return engine.ccall(name, result, types, values);
}

// ---- Drawing ------------------------------------------------------------------------

// Pixels per point: a point of the visualizer has at least this many pixels of the page, so that text can be read
const smallest_point = 0.75;

function resize() {
  const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(box.width * ratio)), height = Math.max(1, Math.round(box.height * ratio));
  const unit = ratio * Math.max(smallest_point, Math.min(box.width / 1600, box.height / 900));
  if (canvas.width === width && canvas.height === height && unit === resize.unit) return;
  canvas.width = width, canvas.height = height, resize.unit = unit;
  call("page_resize", null, ["number", "number", "number"], [width, height, unit]);
}

function frame(now) {
  requestAnimationFrame(frame);
  if (dirty || state.playing) draw((now - drawn) / 1000);
  drawn = now;
}

function draw(seconds) {
  resize();
  call("page_draw", null, ["number"], [seconds]);
  dirty = false;
  show(JSON.parse(engine.ccall("page_state", "string", [], [])));
}

// ---- What the page shows beside the canvas ----------------------------------------------

function show(now) {
  const before = state;
  state = now;
  for (const [name, color] of Object.entries(now.colors)) document.documentElement.style.setProperty("--" + name, color);
  document.body.classList.toggle("small", now.small);
  document.body.classList.toggle("presenting", now.presenting);
  if (now.text !== before.text) element("text").textContent = now.text;
  if (now.title !== before.title) document.title = "Ring Attention: " + now.title;
  if (now.notice !== before.notice) element("notice").textContent = now.notice.startsWith("[") ? now.notice : "";
  element("proceed").textContent = now.playing ? "\u275a\u275a" : "\u25b6";
  element("step").hidden = !now.live;
  if (now.copy) copy(now.copy);
  if (now.presenting !== Boolean(before.presenting)) fullScreen(now.presenting);
  if (now.typing && !before.typing && matchMedia("(pointer: coarse)").matches) askForText();
  showPanels(now);
  showLink(before);
}

function showPanels(now) {
  const places = now.panels.join();
  if (places !== showPanels.places) {
    showPanels.places = places;
    element("panels").replaceChildren(...now.panels.map(name => {
      const button = document.createElement("button"), run = name.split(":")[1];
      button.dataset.panel = name;
      button.textContent = name.split(":")[0] + (run ? " " + (Number(run) + 1) : "");
      return button;
    }));
  }
  for (const button of element("panels").children)
    button.setAttribute("aria-pressed", String(button.dataset.panel === now.panel));
}

// The address is that of the moment. A new text is an entry of the history; a frame has no history of its own
function showLink(before) {
  if (!state.link && !before.link) return;
  const next = "#" + state.link, enters = before.stop !== undefined && state.stop !== before.stop;
  try {
    if (enters && !embedded && !showLink.returning) history.pushState("text", "", next);
    else if (!state.playing && location.hash !== next) history.replaceState("text", "", next);
  } catch {
    // A page inside of another document may have no address, and a browser limits the changes per second
  }
  showLink.returning = false;
}

async function copy(link) {
  const address = new URL(location.href);
  address.search = "", address.hash = link;
  try {
    await navigator.clipboard.writeText(address.href);
    element("notice").textContent = "The link to this moment is in the clipboard.";
    setTimeout(() => element("notice").textContent = "", 2500);
  } catch {
    prompt("The link to this moment", address.href);
  }
}

function fullScreen(on) {
  if (on && !document.fullscreenElement) document.documentElement.requestFullscreen?.().catch(() => {});
  if (!on && document.fullscreenElement) document.exitFullscreen();
}

// A touch screen has no keys
function askForText() {
  const text = prompt("Text", state.typed);
  if (text === null) press("Esc");
  else call("page_enter_text", null, ["string"], [text]);
}

// ---- Deep links -----------------------------------------------------------------------

const openLink = link => call("page_open_link", null, ["string"], [link]);

// An entry of the history changes the moment, and not the style; an address that was entered changes both
function returnTo(event) {
  const style = event.state === "text" ? ["theme", "scale", "present", "motion"] : [];
  showLink.returning = true;
  openLink(location.hash.slice(1).split("&").filter(field => !style.includes(field.split("=")[0])).join("&"));
}

// ---- Keys -----------------------------------------------------------------------------

const named = {ArrowRight: "Right", ArrowLeft: "Left", ArrowUp: "Up", ArrowDown: "Down", Escape: "Esc", Home: "Home", End: "End",
  PageUp: "PageUp", PageDown: "PageDown", Tab: "Tab", Enter: "Enter", Backspace: "Backspace", F1: "F1", F5: "F5"};

const press = key => call("page_key", "number", ["string"], [key]);

function onKey(event) {
  if (event.target.closest?.("nav, input") || event.metaKey || event.isComposing) return;
  const control = event.ctrlKey && !event.altKey;
  let key = named[event.key];
  if (key) key = (control ? "Ctrl+" : "") + (event.shiftKey ? "Shift+" : "") + key;
  else if ([...event.key].length === 1) key = control ? "Ctrl+" + event.key.toUpperCase() : event.key === " " ? "Space" : event.key;
  if (key && press(key)) event.preventDefault();
}

// ---- Pointer: a mouse points and clicks; a finger taps and drags, and two of them zoom -----------------

// A finger is a tap until it moves. Then it drags what is under it: the time on a timeline, a slider, the part of a
// zoomed panel; elsewhere it moves the time, too
const fingers = new Map();
let apart = 0;

function pixel(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
}

const pointer = (name, at, ...more) =>
  call(name, "number", Array(2 + more.length).fill("number"), [...at, ...more]);

function onDown(event) {
  canvas.focus();
  canvas.setPointerCapture(event.pointerId);
  const at = pixel(event);
  if (event.pointerType !== "touch") return event.button === 0 && pointer("page_button", at, 1);
  fingers.set(event.pointerId, {at, from: at, does: "tap"});
  if (fingers.size === 1) return;
  for (const finger of fingers.values()) finger.does = "zoom";
  apart = distance(...places());
  // What the first finger dragged stays where it is
  pointer("page_button", at, 0);
}

function onMove(event) {
  if (event.pointerType !== "touch") return pointer("page_move", pixel(event));
  const finger = fingers.get(event.pointerId);
  if (!finger) return;
  const before = finger.at;
  finger.at = pixel(event);
  if (finger.does === "zoom") return pinch();
  if (finger.does === "tap" && distance(finger.at, finger.from) > 10 * devicePixelRatio) beginDrag(finger);
  if (finger.does === "drag") pointer("page_move", finger.at);
  if (finger.does === "scrub") call("page_scrub", null, ["number"], [(finger.at[0] - before[0]) / canvas.width]);
}

function beginDrag(finger) {
  finger.does = pointer("page_can_drag", finger.from) ? "drag" : "scrub";
  if (finger.does === "drag") pointer("page_button", finger.from, 1);
}

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

const places = () => [...fingers.values()].map(finger => finger.at);

function pinch() {
  if (fingers.size !== 2) return;
  const [a, b] = places(), now = distance(a, b);
  if (apart > 0 && now > 0) pointer("page_pinch", [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], now / apart);
  apart = now;
}

function onUp(event) {
  if (event.pointerType !== "touch") return event.button === 0 && pointer("page_button", pixel(event), 0);
  const finger = fingers.get(event.pointerId);
  fingers.delete(event.pointerId);
  if (finger?.does === "tap" && event.type === "pointerup") {
    pointer("page_move", finger.at);
    pointer("page_button", finger.at, 1);
  }
  pointer("page_button", pixel(event), 0);
  // No finger points at anything any more
  call("page_leave");
}

function onWheel(event) {
  if (event.ctrlKey) {
    pointer("page_pinch", pixel(event), Math.exp(-event.deltaY / 200));
    return event.preventDefault();
  }
  const lines = event.deltaMode === 1 ? 3 : 100, across = event.deltaX / lines, up = -event.deltaY / lines;
  if (event.shiftKey ? pointer("page_scroll", pixel(event), -(across || -up), 0) : pointer("page_scroll", pixel(event), -across, up))
    event.preventDefault();
}

function onBar(event) {
  const {key, panel} = event.target.dataset;
  if (key) press(key);
  if (panel) call("page_show_panel", null, ["string"], [panel]);
  canvas.focus({preventScroll: true});
}

// ---- Files ------------------------------------------------------------------------------

async function openTrace(file) {
  if (!file) return;
  // The engine names its limit; a file of any size is not loaded only to be refused
  const bytes = new Uint8Array(await file.slice(0, (64 << 20) + 1).arrayBuffer()), place = engine._malloc(bytes.length || 1);
  engine.HEAPU8.set(bytes, place);
  call("page_open_trace", null, ["string", "number", "number"], [file.name, place, bytes.length]);
  engine._free(place);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const traceText = (run = 0, wallTimes = true) => call("page_trace", "string", ["number", "number"], [run, wallTimes ? 1 : 0]);

function savePicture() {
  draw(0);
  canvas.toBlob(blob => save(blob, (state.scene || "ringattn") + ".png"));
}

const openLive = () => openLink("live=1" + (state.scene === "free" ? "&" + runFields() : ""));

// The run of free play, from its link
function runFields() {
  const run = ["devices", "seq", "dim", "layout", "causal", "window_left", "rotate", "overlap", "backward", "dtype", "seed", "hop"];
  return state.link.split("&").filter(field => run.includes(field.split("=")[0])).join("&");
}

// ---- Begin --------------------------------------------------------------------------------

function listen() {
  addEventListener("keydown", onKey);
  canvas.addEventListener("pointerdown", onDown);
  canvas.addEventListener("pointermove", onMove);
  for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, onUp);
  canvas.addEventListener("pointerleave", event => event.pointerType !== "touch" && call("page_leave"));
  canvas.addEventListener("wheel", onWheel, {passive: false});
  canvas.addEventListener("webglcontextrestored", () => location.reload());
  addEventListener("popstate", returnTo);
  addEventListener("fullscreenchange", () => !document.fullscreenElement && state.presenting && press("F5"));
  addEventListener("resize", () => dirty = true);
  new ResizeObserver(() => dirty = true).observe(canvas);
  for (const [type, action] of [["dragover", true], ["dragleave", false], ["drop", false]])
    addEventListener(type, event => {
      event.preventDefault();
      document.body.classList.toggle("dropping", action);
      if (type === "drop") openTrace(event.dataTransfer.files[0]);
    });
  for (const bar of document.querySelectorAll("nav")) bar.addEventListener("click", onBar);
  element("live").onclick = openLive;
  element("type").onclick = () => press("E");
  element("open").onclick = () => element("file").click();
  element("file").onchange = event => openTrace(event.target.files[0]).then(() => event.target.value = "");
  element("save-trace").onclick = () => save(new Blob([traceText()]), (state.scene || "ringattn") + ".trace");
  element("save-picture").onclick = savePicture;
}

// The style of the system, until a link or a key chooses another
function followSystem() {
  const light = matchMedia("(prefers-color-scheme: light)"), still = matchMedia("(prefers-reduced-motion: reduce)");
  const follow = () => openLink("theme=" + (light.matches ? "light" : "dark") + "&motion=" + (still.matches ? 0 : 1));
  follow();
  for (const setting of [light, still]) setting.addEventListener("change", follow);
}

// The run that ringattn.show has written into the page
async function openGivenTrace() {
  const {textContent, dataset} = element("trace");
  if (textContent) await openTrace(new File([await unpacked("trace")], dataset.name));
}

async function begin() {
  followSystem();
  await openGivenTrace();
  if (location.hash.length > 1) openLink(location.hash.slice(1));
  listen();
  draw(0);
  element("loading").hidden = true;
  if (!embedded) canvas.focus();
  requestAnimationFrame(frame);
}

load().catch(error => fail("The page must run the engine; found: " + error.message + "; reload it, or use another browser."));
