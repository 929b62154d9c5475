// Renders the shop's OpenAPI document: calls grouped by service, each with its parameters, bodies, answers,
// and a curl line. No dependency, no network beyond the document itself.

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const DEPTH_MAX = 8;

/** Requests whose fields are all optional, or of which one of several is needed: what a caller would send. */
const SENT = {
  Add: { productId: 1, quantity: 2 },
  Bulk: { ids: ['1', '2'] },
  Cancel: { reason: 'changed my mind' },
  ChangeProduct: { name: 'Gate Latch, black' },
  ChangeStock: { quantity: 5 },
  ChangeUser: { name: 'Ada Lovelace' },
  Login: { username: 'ada', password: 'password1' },
  Logout: {},
  NewOrder: {},
  NewProduct: { name: 'Gate Latch', price: 12.5, stock: 7 },
  NewRefund: { amount: 5, reason: 'came late' },
  Register: { username: 'ada', password: 'password1' },
  SetStatus: { status: 'shipped' },
};

/** Makes an element: `el('a', { href }, 'text', child)`. Texts are never read as HTML. */
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Words with `code` between backticks. */
const prose = (text) => (text ?? '').split('`').map((part, at) => (at % 2 ? el('code', {}, part) : part));

const response = await fetch('/openapi.json');
const api = await response.json();

/** What a reference points at; other schemas as they are. */
function resolved(schema) {
  if (!schema || !schema.$ref) return schema ?? {};
  return schema.$ref.slice(2).split('/').reduce((at, key) => at?.[key], api) ?? {};
}

const nameOf = (schema) => schema?.$ref?.split('/').pop();

/** A type in a few words, e.g. `array of Product`. */
function typeOf(schema) {
  if (schema === true || !schema) return 'anything';
  if (schema.$ref) return nameOf(schema);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return several.map(typeOf).join(' | ');
  if (schema.type === 'array') return `array of ${typeOf(schema.items)}`;
  return [schema.type ?? 'anything'].flat().join(' | ') + (schema.format ? ` (${schema.format})` : '');
}

/** A value of the type, from its examples where it has some. */
function example(schema, depth = 0) {
  if (schema === true || !schema || depth > DEPTH_MAX) return null;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (schema.$ref) return example(resolved(schema), depth + 1);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const several = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (several) return example(several.find((one) => one.type !== 'null') ?? several[0], depth + 1);
  const type = [schema.type].flat().find((one) => one !== 'null');
  if (type === 'object') {
    const fields = Object.entries(schema.properties ?? {});
    return Object.fromEntries(fields.map(([name, field]) => [name, example(field, depth + 1)]));
  }
  if (type === 'array') return schema.items ? [example(schema.items, depth + 1)] : [];
  if (type === 'integer' || type === 'number') return schema.minimum ?? 1;
  if (type === 'boolean') return true;
  return type === 'string' ? 'text' : null;
}

/** The example of a request: only what is needed, so that it is short. */
function exampleBody(schema) {
  const sent = SENT[nameOf(schema)];
  if (sent) return sent;
  const target = resolved(schema);
  const whole = example(schema);
  if (target.examples?.length || !target.required?.length || typeof whole !== 'object' || !whole) return whole;
  return Object.fromEntries(target.required.map((name) => [name, whole[name]]));
}

function code(value) {
  return el('pre', {}, el('code', {}, typeof value === 'string' ? value : JSON.stringify(value, null, 2)));
}

/** The fields of an object, nested ones folded. */
function fields(schema, depth = 0) {
  const target = resolved(schema);
  if (target.type === 'array') return fields(target.items, depth);
  if (!target.properties || depth > DEPTH_MAX) return null;
  const rows = Object.entries(target.properties).map(([name, field]) => {
    const needed = target.required?.includes(name);
    const inner = (field.anyOf ?? []).find((one) => one.$ref) ?? (field.type === 'array' ? field.items : field);
    const nested = inner?.$ref && resolved(inner).properties
      ? folded(nameOf(inner), () => fields(inner, depth + 1)) : null;
    const words = field.description ?? resolved(field).description ?? '';
    return el('tr', {},
      el('th', { scope: 'row' }, el('code', {}, name), needed ? el('span', { class: 'needed' }, ' needed') : ''),
      el('td', {}, el('code', { class: 'type' }, typeOf(field))),
      el('td', {}, ...prose(words), nested));
  });
  return el('table', {}, el('tbody', {}, ...rows));
}

/** A part that is built when it is first opened. */
function folded(title, build) {
  const details = el('details', {}, el('summary', {}, title));
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) details.append(build() ?? 'no fields');
  });
  return details;
}

function curl(path, method, call) {
  const lines = [`curl -X ${method.toUpperCase()} ${location.origin}${path}`];
  if (call.security?.some((one) => one.bearer) && !call.security.some((one) => !one.bearer)) {
    lines.push('-H "Authorization: Bearer $TOKEN"');
  }
  const body = call.requestBody?.content?.['application/json']?.schema;
  if (body) lines.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(exampleBody(body))}'`);
  else if (call.requestBody?.content?.['text/csv']) lines.push("-H 'Content-Type: text/csv'", '--data-binary @products.csv');
  return lines.join(' \\\n  ');
}

function parameters(call) {
  if (!call.parameters?.length) return null;
  const rows = call.parameters.map((parameter) => el('tr', {},
    el('th', { scope: 'row' }, el('code', {}, parameter.name), parameter.required ? el('span', { class: 'needed' }, ' needed') : ''),
    el('td', {}, el('code', { class: 'type' }, `${parameter.in}: ${typeOf(parameter.schema)}`)),
    el('td', {}, ...prose(parameter.description))));
  return el('section', {}, el('h4', {}, 'Parameters'), el('table', {}, el('tbody', {}, ...rows)));
}

function answers(call) {
  const all = Object.entries(call.responses).filter(([status]) => status !== 'default');
  const items = all.map(([status, answer]) => {
    const schema = Object.values(answer.content ?? {})[0]?.schema;
    const good = status < '400';
    const title = el('p', {}, el('strong', { class: good ? 'good' : 'bad' }, status), ' ', ...prose(answer.description));
    if (!schema || !good) return el('div', {}, title);
    return el('div', {}, title, fields(schema) ?? el('p', {}, el('code', {}, typeOf(schema))),
      folded('Example', () => code(example(schema))));
  });
  return el('section', {}, el('h4', {}, 'Answers'), ...items);
}

function callOf(path, method, call) {
  const body = call.requestBody?.content?.['application/json']?.schema;
  const article = el('article', { id: call.operationId },
    el('h3', {}, el('span', { class: `method ${method}` }, method.toUpperCase()), ' ', el('code', {}, path)),
    el('p', { class: 'summary' }, ...prose(call.summary)),
    ...(call.description ?? '').split(/\n\n+/).map((text) => el('p', {}, ...prose(text))),
    call['x-also']?.length
      ? el('p', {}, 'Also: ', ...call['x-also'].flatMap((one) => [el('code', {}, one), ' '])) : null,
    code(curl(path, method, call)),
    parameters(call),
    body ? el('section', {}, el('h4', {}, 'Body'), fields(body), folded('Example', () => code(exampleBody(body)))) : null,
    answers(call));
  article.dataset.text = `${method} ${path} ${call.summary} ${JSON.stringify(call.responses)} ${(call['x-also'] ?? []).join(' ')}`.toLowerCase();
  return article;
}

function render() {
  document.title = `${api.info.title}: API reference`;
  document.getElementById('title').textContent = `${api.info.title}: API reference`;
  document.getElementById('about').append(...prose(`${api.info.description} Version ${api.info.version}.`));
  const groups = new Map(api.tags.map((tag) => [tag.name, []]));
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((one) => methods[one])) {
      const call = methods[method];
      groups.get(call.tags[0])?.push([path, method, call]);
    }
  }
  for (const [service, calls] of groups) {
    const links = calls.map(([path, method, call]) => el('li', { 'data-for': call.operationId },
      el('a', { href: `#${call.operationId}` }, el('span', { class: `method ${method}` }, method.toUpperCase()), ` ${path}`)));
    document.getElementById('contents').append(el('h2', {}, service), el('ul', {}, ...links));
    document.getElementById('calls').append(el('section', { id: `service-${service}` }, el('h2', {}, service),
      ...calls.map(([path, method, call]) => callOf(path, method, call))));
  }
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

document.getElementById('search').addEventListener('input', (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const article of document.querySelectorAll('article')) {
    article.hidden = !words.every((word) => article.dataset.text.includes(word));
    document.querySelector(`[data-for="${article.id}"]`).hidden = article.hidden;
  }
  for (const section of document.querySelectorAll('#calls > section')) {
    section.hidden = !section.querySelector('article:not([hidden])');
  }
});

render();
