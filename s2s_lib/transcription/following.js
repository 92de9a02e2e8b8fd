// Pages of a score that turn, and a cursor that follows the sound. Runs inside the element that holds this script:
// all pages stand below each other until then, and where scripts are not run.
(function () {
  const root = document.currentScript.parentElement;
  const pages = [...root.querySelectorAll(".s2s-page")];
  const sounds = [...root.querySelectorAll("audio")];
  // [from, to] in seconds and the ids of the notes that are struck then, in order of time
  const times = JSON.parse(root.querySelector(".s2s-times").textContent);
  const turner = root.querySelector(".s2s-turner");
  const [back, on] = turner.querySelectorAll("button");
  const cursor = root.querySelector(".s2s-cursor");
  const find = (id) => root.querySelector('[id="' + CSS.escape(id) + '"]');
  const notes = times.map((entry) => entry[2].map(find).filter(Boolean));
  let page = 0;
  let lit = [];
  let followed = -1; // page of the last notes struck; the pages turn when it changes, so a person may look elsewhere

  // a page that is half empty is shown as far as its music goes, with as much margin below as above
  function trim(element) {
    if (!element.offsetHeight) return; // not on show yet, so it has no measures
    const sheet = element.querySelector("svg svg");
    const music = sheet.querySelector("g.page-margin");
    const moved = music.transform.baseVal.consolidate();
    const { y, height } = music.getBBox();
    const top = y + (moved ? moved.matrix.f : 0);
    const whole = sheet.viewBox.baseVal;
    element.style.aspectRatio = whole.width + " / " + Math.min(whole.height, top + height + Math.max(top, 0));
  }

  function turn(to) {
    page = Math.min(Math.max(to, 0), pages.length - 1);
    pages.forEach((element, index) => element.classList.toggle("s2s-away", index !== page));
    turner.querySelector("span").textContent = "page " + (page + 1) + " of " + pages.length;
    back.disabled = page === 0;
    on.disabled = page === pages.length - 1;
    cursor.hidden = true;
    trim(pages[page]);
  }

  // the upright bar over the staves, where the last notes were struck
  function point(note) {
    const system = note.closest("g.system") || note.closest("svg");
    const head = note.querySelector("g.notehead") || note;
    const around = head.getBoundingClientRect();
    const staves = [...system.querySelectorAll("g.staff")].map((staff) => staff.getBoundingClientRect());
    const box = cursor.parentElement.getBoundingClientRect();
    const top = Math.min(...staves.map((staff) => staff.top));
    const bottom = Math.max(...staves.map((staff) => staff.bottom));
    cursor.style.left = around.left - box.left - 3 + "px";
    cursor.style.width = around.width + 6 + "px";
    cursor.style.top = top - box.top - 4 + "px";
    cursor.style.height = bottom - top + 8 + "px";
    cursor.hidden = false;
  }

  function show(time) {
    const now = [];
    let last = -1;
    for (let i = 0; i < times.length && times[i][0] <= time; i++) {
      if (notes[i].length) last = i;
      if (time < times[i][1]) now.push(...notes[i]);
    }
    lit.filter((note) => !now.includes(note)).forEach((note) => note.classList.remove("s2s-lit"));
    now.forEach((note) => note.classList.add("s2s-lit"));
    lit = now;
    if (last < 0) {
      cursor.hidden = true;
      return;
    }
    const at = pages.findIndex((element) => element.contains(notes[last][0]));
    if (at !== followed) turn(at);
    followed = at;
    if (at === page) point(notes[last][0]);
  }

  function follow(sound) {
    show(sound.currentTime);
    if (!sound.paused && root.isConnected) requestAnimationFrame(() => follow(sound));
  }

  sounds.forEach((sound) => {
    sound.addEventListener("play", () => {
      sounds.filter((other) => other !== sound).forEach((other) => other.pause());
      followed = -1;
      follow(sound);
    });
    sound.addEventListener("seeked", () => {
      followed = -1;
      show(sound.currentTime);
    });
  });
  // a note that is clicked on is where the sound goes on
  notes.forEach((struck, i) =>
    struck.forEach((note) =>
      note.addEventListener("click", () => sounds.forEach((sound) => (sound.currentTime = times[i][0])))
    )
  );
  back.addEventListener("click", () => turn(page - 1));
  on.addEventListener("click", () => turn(page + 1));
  turner.hidden = pages.length < 2;
  turn(0);
  new ResizeObserver(() => trim(pages[page])).observe(root); // a notebook may run this before it shows the page
})();
