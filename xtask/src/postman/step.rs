//! A request as the plan describes it, and the small pieces of a collection.

use serde_json::{Value, json};

/// Who calls.
#[derive(Clone, Copy, PartialEq)]
pub enum Who {
    /// Whom the operation's rights name first: nobody, Ada the customer, or the administrator.
    Usual,
    /// Nobody.
    Nobody,
    /// The administrator.
    Admin,
    /// Who holds the token in this variable.
    Holder(&'static str),
}

/// One request.
pub struct Step {
    /// The operation's id in the document.
    pub operation: &'static str,
    /// What it is called; the operation's summary when absent.
    pub name: Option<&'static str>,
    pub who: Who,
    /// The statuses that are right, the usual one first; the operation's own success when empty.
    pub expects: Vec<u16>,
    /// The problem's code, for a refusal.
    pub code: Option<&'static str>,
    /// Values of the address's parameters, and of those behind the question mark.
    pub values: Vec<(&'static str, &'static str)>,
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body in place of the document's example.
    pub body: Option<Value>,
    /// Fields of the example that are other ones here.
    pub fields: Vec<(&'static str, Value)>,
    /// Runs before it.
    pub before: Option<String>,
    /// Variables that are set by what it answers: a name, and JavaScript in which `body` is the answer.
    pub sets: Vec<(&'static str, &'static str)>,
    /// What else is true: a sentence, and JavaScript.
    pub checks: Vec<(&'static str, &'static str)>,
}

/// A call of this operation.
pub fn call(operation: &'static str) -> Step {
    Step {
        operation,
        name: None,
        who: Who::Usual,
        expects: Vec::new(),
        code: None,
        values: Vec::new(),
        headers: Vec::new(),
        body: None,
        fields: Vec::new(),
        before: None,
        sets: Vec::new(),
        checks: Vec::new(),
    }
}

impl Step {
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }
    pub fn by(mut self, who: Who) -> Self {
        self.who = who;
        self
    }
    /// One of these is right.
    pub fn expects(mut self, statuses: &[u16]) -> Self {
        self.expects = statuses.to_vec();
        self
    }
    /// A refusal is right.
    pub fn refused(mut self, status: u16, code: &'static str) -> Self {
        self.expects = vec![status];
        self.code = Some(code);
        self
    }
    pub fn with(mut self, parameter: &'static str, value: &'static str) -> Self {
        self.values.push((parameter, value));
        self
    }
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
    /// Another value for a field of the example, by its JSON pointer.
    pub fn field(mut self, pointer: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((pointer, value.into()));
        self
    }
    pub fn before(mut self, script: impl Into<String>) -> Self {
        self.before = Some(script.into());
        self
    }
    pub fn sets(mut self, variable: &'static str, script: &'static str) -> Self {
        self.sets.push((variable, script));
        self
    }
    pub fn check(mut self, sentence: &'static str, script: &'static str) -> Self {
        self.checks.push((sentence, script));
        self
    }
}

/// Signs requests with a token.
pub fn bearer(token: &str) -> Value {
    json!({ "type": "bearer", "bearer": [{ "key": "token", "value": token, "type": "string" }] })
}

/// A script that runs at `listen`: `prerequest` or `test`.
pub fn script<'a>(listen: &str, lines: impl Iterator<Item = &'a str>) -> Value {
    json!({ "listen": listen, "script": { "type": "text/javascript", "exec": lines.collect::<Vec<_>>() } })
}

/// JavaScript that asks, with the token in a variable, until the answer is as it should be: what happens behind an answer,
/// such as an event on its way to the log, takes its moment. After some seconds the request itself says what is missing.
pub fn wait_for(path: &str, token: &str, met: &str) -> String {
    format!(
        "const ask = (left) => pm.sendRequest({{
    url: pm.variables.replaceIn('{{{{baseUrl}}}}{path}'),
    method: 'GET',
    header: {{ Authorization: 'Bearer ' + pm.variables.get('{token}') }},
}}, (fault, response) => {{
    const body = fault || response.code !== 200 ? undefined : response.json();
    if (!(body && ({met})) && left > 0) setTimeout(() => ask(left - 1), 200);
}});
ask(50);"
    )
}
