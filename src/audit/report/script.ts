// Owns what moves in the report: the timeline on a canvas, which ten thousand bars do not slow down, and the list.
// Invariant: plain JavaScript that asks nobody; texts of the ledger become text nodes, never markup.

export const SCRIPT = String.raw`'use strict';
(() => {
const $ = (id) => document.getElementById(id);
const data = JSON.parse($('data').textContent);
const [TASK, PROFILE, EVENT, UID, FROM, TO, FATE, OUTCOME, EXPOSED, LEASES, ROTATIONS, WHY] = Array.from({ length: 12 }, (_, i) => i);
const RANK = ['completed', 'expired', 'revoked', 'lost', 'refused', 'failed', 'open', 'stopping', 'unproved'];
const clock = (ms) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
const span = (s) => {
  if (s < 60) return (s < 10 ? Math.round(s * 10) / 10 : Math.round(s)) + ' s';
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  const at = units.findIndex(([, size]) => s >= size);
  const [unit, size] = units[at], next = units[at + 1], whole = Math.floor(s / size);
  const left = next ? Math.floor((s - whole * size) / next[1]) : 0;
  return whole + ' ' + unit + (left ? ' ' + left + ' ' + next[0] : '');
};
const endOf = (g) => g[TO] === null ? data.to : g[TO];
const proofs = (g) => {
  const n = new Map();
  for (const [, proof] of g[LEASES]) n.set(proof, (n.get(proof) || 0) + 1);
  return [...n].map(([proof, count]) => count + ' ' + proof).join(', ');
};

// The list.
const PAGE = matchMedia('(max-width: 720px)').matches ? 15 : 50;
const newest = data.grants.map((_, i) => i).sort((a, b) => data.grants[b][FROM] - data.grants[a][FROM]);
let words = null;
const wordsOf = () => data.grants.map((g) => [g[TASK], g[PROFILE], g[EVENT] || '', 'uid ' + g[UID], g[FATE], g[WHY] || '', ...g[LEASES].map(([path]) => path)].join('\n').toLowerCase());
let found = newest, page = 0;
const cell = (label, value, kind) => {
  const td = document.createElement('td');
  td.dataset.label = label;
  if (kind) td.className = kind;
  td.append(value);
  return td;
};
const fateOf = (name) => {
  const el = document.createElement('span');
  el.className = 'fate f-' + name;
  el.append(document.createElement('i'), name);
  return el;
};
function show() {
  const rows = found.slice(page * PAGE, page * PAGE + PAGE).map((i) => {
    const g = data.grants[i], tr = document.createElement('tr'), th = document.createElement('th');
    th.scope = 'row';
    th.append(g[TASK]);
    tr.append(th, cell('Started', clock(g[FROM]), 't'), cell('Fate', fateOf(g[FATE])), cell('Profile', g[PROFILE]), cell('Event', g[EVENT] || '', 'w'),
      cell('Caller', g[UID] === null ? '' : 'uid ' + g[UID], 't'), cell('Exposed', span(g[EXPOSED]), 'n'), cell('Leases', [proofs(g), g[WHY]].filter(Boolean).join('; '), 'w'));
    return tr;
  });
  $('rows').replaceChildren(...rows);
  const first = found.length ? page * PAGE + 1 : 0;
  $('shown').textContent = first + ' to ' + Math.min(found.length, page * PAGE + PAGE) + ' of ' + found.length;
  $('newer').disabled = page === 0;
  $('older').disabled = (page + 1) * PAGE >= found.length;
}
function search() {
  words = words || wordsOf();
  const text = $('search').value.trim().toLowerCase(), fate = $('fate').value;
  found = newest.filter((i) => (fate === '' || data.grants[i][FATE] === fate) && (text === '' || words[i].includes(text)));
  page = 0;
  show();
}
for (const name of RANK) if (data.grants.some((g) => g[FATE] === name)) $('fate').append(new Option(name, name));
$('search').addEventListener('input', search);
$('fate').addEventListener('change', search);
$('newer').addEventListener('click', () => { page -= 1; show(); });
$('older').addEventListener('click', () => { page += 1; show(); });

// The timeline.
const canvas = $('plot'), pen = canvas.getContext('2d'), tip = $('tip');
const groups = [...Map.groupBy(data.grants, (g) => g[PROFILE])].map(([name, all]) => ({ name, all: all.sort((a, b) => a[FROM] - b[FROM]) })).sort((a, b) => (a.name < b.name ? -1 : 1));
let from = data.from, to = data.to, boxes = [];
const earliest = data.grants.reduce((min, g) => Math.min(min, g[FROM]), data.from);
const AXIS = 26, TITLE = 22, LEFT = 10;
const STEPS = [1, 5, 15, 60, 300, 900, 3600, 10800, 21600, 43200, 86400, 172800, 604800, 2592000].map((s) => s * 1000);

/** Each bar in the first lane that is free: nothing hides another. */
function lanes(all, scale) {
  const ends = [], placed = [];
  for (const g of all) {
    const x = scale(g[FROM]), w = Math.max(3, scale(endOf(g)) - x);
    if (x + w < 0 || endOf(g) < from || g[FROM] > to) continue;
    let lane = 0;
    while (lane < ends.length && ends[lane] > x) lane += 1;
    ends[lane] = x + w + 1;
    placed.push({ g, x, w, lane });
  }
  return { placed, count: ends.length };
}

function draw() {
  const began = performance.now();
  const width = canvas.clientWidth || 800, ratio = Math.min(devicePixelRatio || 1, 3);
  const css = getComputedStyle(document.documentElement), colour = (name) => css.getPropertyValue('--' + name).trim();
  const scale = (ms) => LEFT + (ms - from) / (to - from) * (width - 2 * LEFT);
  const packed = groups.map(({ name, all }) => ({ name, ...lanes(all, scale) })).filter(({ count }) => count > 0);
  const total = packed.reduce((sum, { count }) => sum + count, 0);
  const lane = Math.max(3, Math.min(14, Math.floor(900 / Math.max(1, total))));
  const height = AXIS + packed.reduce((sum, { count }) => sum + TITLE + count * lane + 6, 0) + 8;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(Math.min(height, 16000 / ratio) * ratio);
  canvas.style.height = height + 'px';
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colour('card');
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = colour('outage');
  for (const [a, b] of data.outages) pen.fillRect(scale(a), AXIS, Math.max(2, scale(b === null ? data.to : b) - scale(a)), height);
  pen.font = '12px system-ui, sans-serif';
  pen.textBaseline = 'middle';
  const step = STEPS.find((ms) => (to - from) / ms <= width / 75) || STEPS.at(-1);
  pen.lineWidth = 1;
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
    const x = Math.round(scale(t)) + 0.5, label = clock(t);
    pen.strokeStyle = colour('line');
    pen.beginPath(); pen.moveTo(x, AXIS - 4); pen.lineTo(x, height); pen.stroke();
    pen.fillStyle = colour('soft');
    pen.textAlign = x < 30 ? 'left' : x > width - 40 ? 'right' : 'center';
    pen.fillText(step >= 86400000 ? label.slice(5, 10) : step >= 60000 ? (label.slice(11, 16) === '00:00' ? label.slice(5, 10) : label.slice(11, 16)) : label.slice(11), x, AXIS / 2);
  }
  boxes = [];
  let top = AXIS;
  pen.textAlign = 'left';
  for (const { name, placed, count } of packed) {
    pen.fillStyle = colour('ink');
    pen.font = '600 12px system-ui, sans-serif';
    pen.fillText(name + '  ', LEFT, top + TITLE / 2 + 2);
    top += TITLE;
    const byFate = Map.groupBy(placed, ({ g }) => g[FATE]), h = Math.max(2, lane - 1);
    for (const fate of RANK) {
      pen.fillStyle = colour(fate);
      for (const box of byFate.get(fate) || []) {
        box.y = top + box.lane * lane;
        box.h = h;
        pen.fillRect(box.x, box.y, box.w, h);
        boxes.push(box);
      }
    }
    pen.fillStyle = colour('ink');
    for (const { g, w, lane: at } of placed) if (w >= 9) for (const t of g[ROTATIONS]) pen.fillRect(scale(t) - 0.75, top + at * lane, 1.5, Math.max(2, lane - 1));
    top += count * lane + 6;
  }
  if (packed.length === 0) { pen.fillStyle = colour('soft'); pen.fillText('nothing in this part', LEFT, AXIS + 14); }
  $('window').textContent = clock(from).slice(0, 16) + ' to ' + clock(to).slice(0, 16);
  $('out').disabled = $('all').disabled = from <= data.from && to >= data.to;
  $('earlier').disabled = from <= Math.min(earliest, data.from);
  $('later').disabled = to >= data.to;
  canvas.dataset.drawnMs = (performance.now() - began).toFixed(1);
  canvas.dataset.bars = String(boxes.length);
}
function look(a, b) {
  const least = 10000, width = Math.max(least, Math.min(b - a, data.to - Math.min(earliest, data.from)));
  const lowest = Math.min(earliest, data.from);
  from = Math.max(lowest, Math.min(a, data.to - width));
  to = from + width;
  tip.hidden = true;
  draw();
}
const zoom = (by, at) => { const middle = at === undefined ? (from + to) / 2 : at; look(middle - (middle - from) * by, middle + (to - middle) * by); };
$('in').addEventListener('click', () => zoom(0.5));
$('out').addEventListener('click', () => zoom(2));
$('earlier').addEventListener('click', () => look(from - (to - from) / 2, to - (to - from) / 2));
$('later').addEventListener('click', () => look(from + (to - from) / 2, to + (to - from) / 2));
$('all').addEventListener('click', () => look(data.from, data.to));
canvas.addEventListener('wheel', (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoom(event.deltaY < 0 ? 0.7 : 1.4, from + (event.offsetX - LEFT) / (canvas.clientWidth - 2 * LEFT) * (to - from));
}, { passive: false });
const at = ({ offsetX: x, offsetY: y }) => boxes.findLast((b) => x >= b.x - 2 && x <= b.x + b.w + 2 && y >= b.y - 1 && y <= b.y + b.h + 1);
function point(event) {
  const box = at(event);
  tip.hidden = !box;
  canvas.style.cursor = box ? 'pointer' : '';
  if (!box) return;
  const { g } = box, b = document.createElement('b');
  b.append(g[TASK]);
  const lines = [g[FATE] + (g[FATE] === 'unproved' ? ' (' + g[OUTCOME] + ')' : '') + ', exposed ' + span(g[EXPOSED]), g[EVENT], g[PROFILE] + (g[UID] === null ? '' : ', uid ' + g[UID]),
    clock(g[FROM]) + (g[TO] === null ? ', still open' : ' to ' + clock(g[TO]).slice(g[TO] - g[FROM] < 86400000 ? 11 : 0)), ...g[LEASES].slice(0, 4).map(([path, proof]) => path + ': ' + proof), g[WHY]];
  tip.replaceChildren(b, ...lines.filter(Boolean).flatMap((line) => [line, document.createElement('br')]));
  const right = event.offsetX > canvas.clientWidth / 2;
  tip.style.left = right ? '' : event.offsetX + 14 + 'px';
  tip.style.right = right ? canvas.clientWidth - event.offsetX + 14 + 'px' : '';
  tip.style.top = box.y + box.h + 8 + 'px';
}
canvas.addEventListener('pointermove', point);
canvas.addEventListener('pointerleave', () => { tip.hidden = true; });
canvas.addEventListener('click', (event) => {
  const box = at(event);
  if (!box) return;
  $('search').value = box.g[TASK];
  search();
  $('grants').scrollIntoView({ block: 'start' });
});
let waiting = 0;
addEventListener('resize', () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(draw); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
const paper = (on) => { if (on) document.documentElement.dataset.paper = ''; else delete document.documentElement.dataset.paper; draw(); };
addEventListener('beforeprint', () => paper(true));
addEventListener('afterprint', () => paper(false));
show();
draw();
})();
`;
