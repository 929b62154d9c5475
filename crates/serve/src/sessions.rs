//! Keeps a process that has no identity service of its own up to date on ended sessions.

use std::time::Duration;

use base::{Ids, RequestId};
use wire::Cx;

use crate::part::{Deps, Task};

/// How often identity is asked. A logout counts everywhere within 5 seconds.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// A task that asks identity for ended sessions and turns their tokens out. `deps` are those of the service
/// under whose name it asks.
pub fn follow_ended_sessions(deps: &Deps) -> Task {
    let deps = deps.clone();
    Task::new("ended sessions", move |stop| {
        let deps = deps.clone();
        async move {
            let identity = api::identity::Client(deps.peers.peer("identity"));
            let mut after = 0;
            while !stop.is_stopped() {
                let id: RequestId = Ids::next(&deps.ids, deps.clock.now());
                let cx = Cx::new(id.to_string(), "service:sessions");
                match identity.ended(&cx, after).await {
                    Ok(ended) => {
                        ended
                            .sessions
                            .iter()
                            .for_each(|&session| deps.keys.revoked().end(session));
                        let more = ended.after != after && !ended.sessions.is_empty();
                        after = ended.after;
                        if more {
                            continue;
                        }
                    }
                    Err(problem) => tracing::warn!(%problem, "identity does not tell which sessions ended"),
                }
                tokio::select! {
                    () = tokio::time::sleep(ASK_EVERY) => {}
                    () = stop.stopped() => {}
                }
            }
        }
    })
}
