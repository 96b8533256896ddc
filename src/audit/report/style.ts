// Owns how the report looks: on a screen, a phone, in the dark, on paper. Invariant: nothing is fetched; colour never
// stands alone, each fate is written out beside it.

export const STYLE = `
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#14181f;--soft:#566070;--line:#d9dee6;--accent:#0b5fbf;
--completed:#2f8f5b;--expired:#b7791f;--revoked:#7a5cc7;--lost:#c2571a;--refused:#7b8494;--failed:#c02b4b;--open:#1b78c8;
--stopping:#d6336c;--unproved:#a30021;--outage:#d9a40033;--good:#1c7a47;--goodbg:#e4f4ea;--bad:#a30021;--badbg:#fde8ec;
--warn:#7d5700;--warnbg:#fdf3d8}
@media(prefers-color-scheme:dark){:root:not([data-paper]){--bg:#10141a;--card:#181d25;--ink:#e8ebf0;--soft:#a2abba;
--line:#2c3441;--accent:#7db4f5;--completed:#4cb47c;--expired:#e0a83f;--revoked:#a58cf0;--lost:#f0864a;--refused:#8b95a6;
--failed:#f0627f;--open:#58aaf0;--stopping:#f77aa5;--unproved:#ff5c79;--outage:#e0b02033;--good:#7fd6a3;--goodbg:#12301f;
--bad:#ff93a6;--badbg:#3a141c;--warn:#f0c864;--warnbg:#332808}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
-webkit-text-size-adjust:100%}
main,header,footer{max-width:1180px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;letter-spacing:-.01em}
h2{font-size:17px;margin:0 0 12px}
p{margin:0 0 8px}
.soft{color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:16px 0}
.chain{display:flex;gap:10px;align-items:baseline;border-radius:8px;padding:10px 14px;margin:14px 0 0;font-weight:500}
.chain b{white-space:nowrap}
.verified{background:var(--goodbg);color:var(--good)}.broken{background:var(--badbg);color:var(--bad)}
.unchecked{background:var(--warnbg);color:var(--warn)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:16px 0 0;padding:0;list-style:none}
.cards li{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.cards b{display:block;font-size:25px;line-height:1.25;font-variant-numeric:tabular-nums;font-weight:600}
.cards .bad b{color:var(--bad)}.cards .good b{color:var(--good)}
.alarm{border-color:var(--bad)}.alarm h2{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding-bottom:6px}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:break-word}
td.w{overflow-wrap:anywhere;min-width:9em}td.t{white-space:nowrap}tbody th{min-width:8.5em;overflow-wrap:anywhere}
thead th{font-size:13px;font-weight:600;color:var(--soft);white-space:nowrap;overflow-wrap:normal}
tbody th{font-weight:500}
td.n,th.n{text-align:right;white-space:nowrap}
tbody tr:last-child>*{border-bottom:0}
.bar{width:100%;min-width:90px;height:10px;display:block;margin-top:7px}
.bar rect{fill:var(--accent)}.bar .rest{fill:var(--line)}
.fate{white-space:nowrap}
.fate i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:7px;background:currentColor;vertical-align:-1px}
${['completed', 'expired', 'revoked', 'lost', 'refused', 'failed', 'open', 'stopping', 'unproved'].map((fate) => `.f-${fate} i{color:var(--${fate})}`).join('')}
.two{display:grid;grid-template-columns:1fr 1fr;gap:16px}.two section{margin:0;min-width:0}
.tools{display:flex;flex-wrap:wrap;gap:8px 10px;align-items:center;margin:0 0 12px}
button,select,input{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--line);border-radius:7px;padding:6px 12px;min-height:36px}
button{cursor:pointer}button:hover:enabled{border-color:var(--accent)}button:disabled{opacity:.45;cursor:default}
:focus-visible{outline:3px solid var(--accent);outline-offset:1px}
label{display:inline-flex;gap:7px;align-items:center;color:var(--soft)}
input[type=search]{width:15em;max-width:100%}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;list-style:none;margin:0 0 10px;padding:0;font-size:14px}
.band i{background:#d9a400;opacity:.55}.tick i{width:2px;height:12px;border-radius:0;background:var(--ink)}
.plot{position:relative;max-height:640px;overflow-y:auto;border:1px solid var(--line);border-radius:8px}
canvas{display:block;width:100%;touch-action:pan-y}
#tip{position:absolute;pointer-events:none;max-width:min(360px,92%);background:var(--ink);color:var(--card);border-radius:7px;padding:8px 11px;font-size:13px;
line-height:1.4;overflow-wrap:anywhere;box-shadow:0 4px 18px #0004}
#tip b{display:block}
[hidden]{display:none!important}
output{display:block;min-height:1.5em}
.skip{position:absolute;left:-999px}.skip:focus{left:12px;top:8px;background:var(--card);padding:6px 10px}
footer{padding-bottom:40px}
@media(max-width:720px){main,header,footer{padding-left:14px;padding-right:14px}section{padding:14px}
h1{font-size:22px}.two{grid-template-columns:1fr}.cards{grid-template-columns:1fr 1fr}.chain{display:block}.chain b{display:block}
.stack thead{position:absolute;left:-999px}.stack,.stack caption,.stack tbody,.stack tr{display:block}
.stack tr{border-bottom:1px solid var(--line);padding:9px 0}.stack tbody tr:last-child{border-bottom:0}
.stack th,.stack td,.stack td.n{display:flex;gap:12px;justify-content:space-between;border:0;padding:2px 0;text-align:right;white-space:normal;min-width:0;overflow-wrap:anywhere}
.stack th{text-align:left;font-weight:600}.stack td::before{content:attr(data-label);color:var(--soft);text-align:left;flex:none}
.stack td:empty{display:none}input[type=search]{width:100%}.tools label{width:100%;justify-content:space-between}}
@media print{body{background:#fff;font-size:11px}main,header,footer{max-width:none;padding:0}.tools,.skip,#tip,output{display:none!important}
section,.cards li{break-inside:avoid;border-color:#bbb}section.long{break-inside:auto}tr{break-inside:avoid}thead{display:table-header-group}
.plot{max-height:none;overflow:visible}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}@page{margin:14mm}}
`;
