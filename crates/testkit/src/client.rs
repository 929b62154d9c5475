//! A client over HTTP, as anybody's would be, which holds every answer against the OpenAPI document.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::contract::Contract;
use crate::frames::Frames;

/// Somebody who calls the shop, with or without a token.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: Http<HttpConnector, Body>,
    contract: Arc<Contract>,
    token: Option<String>,
}

impl Client {
    /// A client of the shop at `base`, e.g. `http://127.0.0.1:3000`. Fetches the OpenAPI document.
    ///
    /// # Panics
    /// When the shop does not serve its document.
    pub async fn connect(base: &str) -> Client {
        let http = Http::builder(TokioExecutor::new()).build(HttpConnector::new());
        let blank = Client {
            base: base.to_owned(),
            http,
            contract: Arc::new(Contract::new(Value::Null)),
            token: None,
        };
        let document = blank.get("/openapi.json").unchecked().send().await.is(200);
        Client {
            contract: Arc::new(Contract::new(document)),
            ..blank
        }
    }

    /// The same client with a token.
    pub fn with_token(&self, token: &str) -> Client {
        Client {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same client without a token.
    pub fn anonymous(&self) -> Client {
        Client {
            token: None,
            ..self.clone()
        }
    }

    /// The same client of another address of the same shop, such as a service's own port.
    pub fn at(&self, base: &str) -> Client {
        Client {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// The same client on connections of its own: those of a shop that was killed are of no use any more.
    pub fn afresh(&self) -> Client {
        Client {
            http: Http::builder(TokioExecutor::new()).build(HttpConnector::new()),
            ..self.clone()
        }
    }

    /// The token.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// A read.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// A POST with a JSON body.
    pub fn post(&self, path: &str, body: Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// A PUT with a JSON body.
    pub fn put(&self, path: &str, body: Value) -> Call {
        self.call(Method::PUT, path).json(body)
    }

    /// A PATCH with a JSON body.
    pub fn patch(&self, path: &str, body: Value) -> Call {
        self.call(Method::PATCH, path).json(body)
    }

    /// A DELETE.
    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Any call.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token fits into a header");
            headers.insert(header::AUTHORIZATION, value);
        }
        Call {
            client: self.clone(),
            method,
            path: path.to_owned(),
            headers,
            body: Vec::new(),
            checked: true,
        }
    }
}

/// A call that is being put together.
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    client: Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    checked: bool,
}

impl Call {
    /// With a JSON body.
    pub fn json(self, body: Value) -> Call {
        self.body("application/json", body.to_string())
    }

    /// With any body.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Call {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Call {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        self.headers
            .insert(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    /// With an idempotency key.
    pub fn key(self, key: &str) -> Call {
        self.header("idempotency-key", key)
    }

    /// Not held against the document: for what stands outside it.
    pub fn unchecked(mut self) -> Call {
        self.checked = false;
        self
    }

    /// Sends the call.
    ///
    /// # Panics
    /// When there is no answer, or it is not as the document says.
    pub async fn send(self) -> Answer {
        let place = format!("{} {}", self.method, self.path);
        self.try_send().await.unwrap_or_else(|fault| panic!("{place}: {fault}"))
    }

    /// Sends the call and reads its answer as a stream of events. Not held against the document, which knows only its
    /// type.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn open(self) -> Frames {
        let request = Request::builder()
            .method(self.method.clone())
            .uri(format!("{}{}", self.client.base, self.path))
            .body(Body::from(self.body));
        let mut request = request.expect("a request");
        *request.headers_mut() = self.headers;
        let answer = self.client.http.request(request).await;
        let answer = answer.unwrap_or_else(|fault| panic!("{} {}: {fault:?}", self.method, self.path));
        Frames::new(answer.map(Body::new))
    }

    /// Sends the call. Errors: no answer, as happens when the shop is killed meanwhile.
    ///
    /// # Panics
    /// When the answer is not as the document says.
    pub async fn try_send(self) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(format!("{}{}", self.client.base, self.path))
            .body(Body::from(self.body))
            .map_err(|fault| fault.to_string())?;
        *request.headers_mut() = self.headers;
        let answer = self
            .client
            .http
            .request(request)
            .await
            .map_err(|fault| format!("{fault:?}"))?;
        let (parts, body) = answer.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|fault| fault.to_string())?
            .to_bytes()
            .to_vec();
        let answer = Answer {
            place: format!("{} {}", self.method, self.path),
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        };
        if self.checked {
            let path = self.path.split('?').next().unwrap_or_default();
            let content = answer.header("content-type");
            let faults = self
                .client
                .contract
                .faults(self.method.as_str(), path, answer.status, content, &answer.body);
            assert!(
                faults.is_empty(),
                "{}: {}\n{}",
                answer.place,
                faults.join("\n"),
                answer.text()
            );
        }
        Ok(answer)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    place: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when there is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body of a success with this status.
    ///
    /// # Panics
    /// When it is another status.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.place, self.text());
        self.value()
    }

    /// The problem document of a refusal with this status and code.
    ///
    /// # Panics
    /// When it is anything else.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.value();
        let got = (self.status, problem["code"].as_str().unwrap_or_default());
        assert_eq!(got, (status, code), "{}: {}", self.place, self.text());
        problem
    }
}
