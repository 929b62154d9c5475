//! The invariants of the shop, by name, and the reading that checks them. Changes nothing.
//!
//! - STOCK-1: on hand = received ± adjusted − settled + restocked; reserved = Σ live reservations;
//!   0 ≤ reserved ≤ on hand; and what is reserved or settled is what the orders say.
//! - PAY-1: at rest, captured = total where an order is confirmed and paid online, or delivered and paid in cash, and
//!   nothing before that; refunded = captured where it failed or was cancelled; refunded ≤ captured; and the provider's
//!   statement equals ours, but for cash.
//! - ORD-1: every order comes to rest.
//! - EVT-1: no event is lost, none is applied twice.
//!
//! What has not rested yet is not judged, and a mismatch is read twice: books that are being written are not wrong.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use api::audit::{
    AuditedOrder, AuditedPayment, AuditedReservation, Charged, Client, EventFault, Logged, OfAnOrder, StockFault,
};
use api::orders::OrderStatus;
use api::payments::PaymentStatus;
use base::{AttemptId, OrderId, Time};
use serde::de::DeserializeOwned;
use serve::Deps;
use wire::Cx;

/// What rested for this long can be judged.
pub const REST_SECONDS: u64 = 60;
/// Orders that are asked about in one question.
const BATCH: usize = 500;
/// Between the first reading of a mismatch and the second.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(1_500);

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Finding {
    /// Which invariant does not hold.
    pub rule: &'static str,
    /// Where: an order, a variant, a subject.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.rule, self.place, self.what)
    }
}

/// What was read and what is wrong.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Orders looked at.
    pub orders: u64,
    /// Of them, those that could not be judged yet.
    pub unrested: u64,
    /// What is wrong; empty when the books balance.
    pub findings: Vec<Finding>,
}

/// The services, as the doctor asks them.
struct Books {
    orders: Client,
    payments: Client,
    provider: Client,
    catalog: Client,
    events: Client,
    cx: Cx,
}

/// Reads the books and, where something seems wrong, reads them once more: what is wrong both times is told.
/// `deps` are those of a service name that may ask, e.g. `deps.of("doctor")`.
pub async fn examine(deps: &Deps, rested: Duration) -> Result<Report> {
    let client = |name| Client(deps.peers.peer(name));
    let id: base::RequestId = deps.ids.next(deps.clock.now());
    let books = Books {
        orders: client("orders"),
        payments: client("payments"),
        provider: client("simulated"),
        catalog: client("catalog"),
        events: client("events"),
        cx: Cx::new(id.to_string(), "service:doctor"),
    };
    let first = read(&books, deps.clock.now(), rested).await?;
    if first.findings.is_empty() {
        return Ok(first);
    }
    tokio::time::sleep(READ_AGAIN_AFTER).await;
    let mut second = read(&books, deps.clock.now(), rested).await?;
    let before: HashSet<Finding> = first.findings.into_iter().collect();
    second.findings.retain(|finding| before.contains(finding));
    Ok(second)
}

async fn read(books: &Books, now: Time, rested: Duration) -> Result<Report> {
    let mut report = Report::default();
    let (mut statements, mut told) = (Vec::new(), Vec::new());
    let mut orders = Pages::<AuditedOrder>::new(&books.orders, "/internal/audit/orders");
    let mut payments = Pages::<AuditedPayment>::new(&books.payments, "/internal/audit/payments");
    let mut holds = Pages::<AuditedReservation>::new(&books.catalog, "/internal/audit/reservations");
    loop {
        let heads = [
            orders.head(&books.cx).await?,
            payments.head(&books.cx).await?,
            holds.head(&books.cx).await?,
        ];
        let Some(id) = heads.into_iter().flatten().min() else {
            break;
        };
        let (order, payment, hold) = (orders.take(id), payments.take(id), holds.take(id));
        statements.extend(
            payment
                .clone()
                .filter(|payment| now.since(payment.updated_at) >= rested && !payment.attempts.is_empty()),
        );
        if statements.len() >= BATCH {
            judge_statements(books, &mut statements, &mut report.findings).await?;
        }
        let Some(order) = order else {
            judge_orphan(id, payment.as_ref(), hold.as_ref(), &mut report.findings);
            continue;
        };
        report.orders += 1;
        // Whose window has not ended waits for a payer, however little rest is asked for.
        let overdue = order.status == OrderStatus::Pending && now >= order.expires_at.after(rested);
        if now.since(order.updated_at) < rested || order.status == OrderStatus::Pending && !overdue {
            report.unrested += 1;
            continue;
        }
        judge_order(&order, payment.as_ref(), hold.as_ref(), &mut report.findings);
        told.push((order.order, order.sequence));
        if told.len() >= BATCH {
            judge_events(books, &mut told, &mut report.findings).await?;
        }
    }
    judge_statements(books, &mut statements, &mut report.findings).await?;
    judge_events(books, &mut told, &mut report.findings).await?;
    for fault in books
        .catalog
        .faults::<StockFault>(&books.cx, "/internal/audit/stock")
        .await?
    {
        let StockFault {
            variant,
            on_hand,
            reserved,
            ledger_on_hand,
            ledger_reserved,
            held,
        } = fault;
        let what = format!(
            "the row says {on_hand} on hand and {reserved} reserved, the ledger {ledger_on_hand} and {ledger_reserved}, the reservations hold {held}"
        );
        report.findings.push(Finding {
            rule: "STOCK-1",
            place: variant.to_string(),
            what,
        });
    }
    for EventFault {
        source,
        subject,
        count,
        last,
    } in books.events.faults(&books.cx, "/internal/audit/events").await?
    {
        let what = format!("{count} events of {source} are in the log, the last one is number {last}");
        report.findings.push(Finding {
            rule: "EVT-1",
            place: subject,
            what,
        });
    }
    report.findings.sort();
    Ok(report)
}

/// An order that has rested, against its payment and what catalog holds.
pub fn judge_order(
    order: &AuditedOrder,
    payment: Option<&AuditedPayment>,
    hold: Option<&AuditedReservation>,
    findings: &mut Vec<Finding>,
) {
    let mut wrong = |rule, what: String| {
        findings.push(Finding {
            rule,
            place: order.order.to_string(),
            what,
        })
    };
    let status = order.status.as_str();
    if !order.at_rest || order.status == OrderStatus::Pending {
        wrong("ORD-1", format!("is {status} and has not come to rest"));
        return;
    }
    let (captured, refunded) = payment.map_or((0, 0), |payment| (payment.captured.minor, payment.refunded.minor));
    if refunded > captured {
        wrong("PAY-1", format!("{refunded} were refunded of {captured} captured"));
    }
    let state = hold.map(|hold| hold.state.as_str());
    if let Some(payment) = payment.filter(|payment| payment.surplus_captured != payment.surplus_refunded) {
        wrong(
            "PAY-1",
            format!(
                "{} were captured that nobody owed, {} of them are given back",
                payment.surplus_captured.minor, payment.surplus_refunded.minor
            ),
        );
    }
    if matches!(order.status, OrderStatus::Cancelled | OrderStatus::Failed) {
        if refunded != captured {
            wrong(
                "PAY-1",
                format!(
                    "is {status}, but {} of the {captured} captured are not given back",
                    captured - refunded
                ),
            );
        }
        if !matches!(state, None | Some("undone")) {
            wrong(
                "STOCK-1",
                format!("is {status}, but its pieces are {}", state.unwrap_or_default()),
            );
        }
        return;
    }
    // What is paid at the door is paid from the moment of delivery on, unless a card was faster.
    let paid =
        order.paid_online || order.status == OrderStatus::Delivered || order.payment_status != PaymentStatus::Pending;
    let due = if paid { order.total.minor } else { 0 };
    if captured != due {
        wrong(
            "PAY-1",
            format!(
                "is {status}, its payment {}, and {due} of the {} that it costs are due, but {captured} were captured",
                order.payment_status.as_str(),
                order.total.minor
            ),
        );
    }
    match hold {
        Some(hold) if hold.state == "settled" => {
            let pieces = |lines: &[api::catalog::Pieces]| {
                let mut pieces: Vec<_> = lines.iter().map(|line| (line.variant, line.quantity)).collect();
                pieces.sort();
                pieces
            };
            if pieces(&hold.lines) != pieces(&order.lines) {
                wrong("STOCK-1", "other pieces left the stock than were ordered".into());
            }
        }
        _ => wrong(
            "STOCK-1",
            format!(
                "is {status}, but its pieces are {}",
                state.unwrap_or("not reserved at all")
            ),
        ),
    }
}

/// A payment or reservation of an order that orders does not know.
fn judge_orphan(
    id: OrderId,
    payment: Option<&AuditedPayment>,
    hold: Option<&AuditedReservation>,
    findings: &mut Vec<Finding>,
) {
    let mut wrong = |rule, what: String| {
        findings.push(Finding {
            rule,
            place: id.to_string(),
            what,
        })
    };
    if payment.is_some_and(|payment| payment.captured.minor != payment.refunded.minor) {
        wrong("PAY-1", "money was captured for an order that does not exist".into());
    }
    if hold.is_some_and(|hold| hold.state != "undone") {
        wrong("STOCK-1", "pieces are held for an order that does not exist".into());
    }
}

/// The provider's statement of the payments' tries, many in one question.
async fn judge_statements(
    books: &Books,
    payments: &mut Vec<AuditedPayment>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let ids = payments
        .iter()
        .flat_map(|payment| payment.attempts.iter().map(ToString::to_string))
        .collect();
    let charged: Vec<Charged> = books.provider.of(&books.cx, "/internal/audit/charges", ids).await?;
    let charged: HashMap<AttemptId, (i64, i64)> = charged
        .into_iter()
        .map(|charge| (charge.attempt, (charge.captured.minor, charge.refunded.minor)))
        .collect();
    for payment in payments.drain(..) {
        let of = |attempt: &AttemptId| charged.get(attempt).copied().unwrap_or_default();
        let theirs = payment
            .attempts
            .iter()
            .map(of)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let ours = (
            payment.captured.minor + payment.surplus_captured.minor - payment.cash_captured.minor,
            payment.refunded.minor + payment.surplus_refunded.minor - payment.cash_refunded.minor,
        );
        if theirs != ours {
            let what = format!(
                "the provider captured {} and refunded {}, our books say {} and {}",
                theirs.0, theirs.1, ours.0, ours.1
            );
            findings.push(Finding {
                rule: "PAY-1",
                place: payment.order.to_string(),
                what,
            });
        }
    }
    Ok(())
}

/// The events of the orders in the log, many in one question.
async fn judge_events(books: &Books, told: &mut Vec<(OrderId, i64)>, findings: &mut Vec<Finding>) -> Result<()> {
    let subjects = told.iter().map(|(order, _)| order.to_string()).collect();
    let logged: Vec<Logged> = books.events.of(&books.cx, "/internal/audit/logged", subjects).await?;
    let logged: HashMap<String, i64> = logged.into_iter().map(|logged| (logged.subject, logged.last)).collect();
    for (order, sequence) in told.drain(..) {
        let place = order.to_string();
        let last = logged.get(&place).copied().unwrap_or_default();
        if last != sequence {
            findings.push(Finding {
                rule: "EVT-1",
                place,
                what: format!("{sequence} events were told, the log has {last}"),
            });
        }
    }
    Ok(())
}

/// Walks a list by pages.
struct Pages<'a, T> {
    client: &'a Client,
    path: &'static str,
    rows: VecDeque<T>,
    last: Option<OrderId>,
    ended: bool,
}

impl<'a, T: OfAnOrder + DeserializeOwned> Pages<'a, T> {
    fn new(client: &'a Client, path: &'static str) -> Self {
        Self {
            client,
            path,
            rows: VecDeque::new(),
            last: None,
            ended: false,
        }
    }

    /// The order of the next row.
    async fn head(&mut self, cx: &Cx) -> Result<Option<OrderId>> {
        if self.rows.is_empty() && !self.ended {
            self.rows = self.client.page(cx, self.path, self.last).await?.into();
            self.ended = self.rows.is_empty();
            self.last = self.rows.back().map(OfAnOrder::order).or(self.last);
        }
        Ok(self.rows.front().map(OfAnOrder::order))
    }

    /// The next row, if it is of this order.
    fn take(&mut self, id: OrderId) -> Option<T> {
        self.rows
            .front()
            .is_some_and(|row| row.order() == id)
            .then(|| self.rows.pop_front())
            .flatten()
    }
}

/// Findings by rule, for a summary.
pub fn by_rule(findings: &[Finding]) -> HashMap<&'static str, usize> {
    findings.iter().fold(HashMap::new(), |mut counts, finding| {
        *counts.entry(finding.rule).or_default() += 1;
        counts
    })
}
