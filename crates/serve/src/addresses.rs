//! From an address back to the declared route that it belongs to: for what must be known before a request is routed.

use http::Method;

use crate::routes::{Declared, spellings};

/// Methods that routes are declared with.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What is known of routes, found by method and path.
#[derive(Clone)]
pub struct Addresses<T> {
    known: Vec<T>,
    /// One for each of [`METHODS`], in their order.
    routers: Vec<matchit::Router<usize>>,
}

impl<T> Addresses<T> {
    /// What `tell` says of each route. Of a route's spellings only those count that `counts` admits; where two routes
    /// claim one address, the first has it.
    pub fn new(
        declared: &[Declared],
        counts: impl Fn(&Declared, &str) -> bool,
        tell: impl Fn(&Declared) -> Option<T>,
    ) -> Self {
        let mut all = Self {
            known: Vec::new(),
            routers: METHODS.iter().map(|_| matchit::Router::new()).collect(),
        };
        for route in declared {
            let Some(told) = tell(route) else { continue };
            let at = all.known.len();
            all.known.push(told);
            let own = std::iter::once((&route.method, route.path));
            let also = route.also.iter().map(|(method, path)| (method, *path));
            for (method, path) in own.chain(also) {
                for spelled in spellings(path, route.singular) {
                    let router = METHODS.iter().position(|known| known == method);
                    if let Some(router) = router.filter(|_| counts(route, &spelled)) {
                        // A spelling of two routes stays the first one's.
                        let _ = all.routers[router].insert(spelled, at);
                    }
                }
            }
        }
        all
    }

    /// What is known of the route that answers here. HEAD is answered by what answers GET.
    pub fn find(&self, method: &Method, path: &str) -> Option<&T> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let router = METHODS.iter().position(|known| known == method)?;
        let found = self.routers[router].at(path).ok()?;
        self.known.get(*found.value)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}
