//! The end of a run: SIGKILL under load, a new start, and whether everything that was acknowledged is there.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::load::{self, Span};
use crate::shop::Shop;
use crate::shopper::{Errand, Shopper};

/// How long shoppers buy before the shop is killed.
const LOAD: Duration = Duration::from_secs(3);
/// How long orders may take to come to rest after the new start: longer than the lease of a dead driver.
const REST_MAX: Duration = Duration::from_secs(90);

/// Kills the shop while all shoppers buy, starts it again, and holds what it then knows against what it had
/// acknowledged; then lets its doctor judge the books. Answers what was found, a sentence each.
///
/// # Errors
/// An acknowledged order is lost, or the books do not balance.
pub async fn run(shop: &mut Shop, shoppers: &mut Vec<Shopper>) -> Result<Vec<String>> {
    shoppers
        .iter_mut()
        .for_each(|shopper| shopper.acknowledged = Some(Vec::new()));
    let process = shop.fleet.process("gateway").id();
    // Another thread kills it, since this one is busy being the shoppers.
    let killer = std::thread::spawn(move || {
        std::thread::sleep(LOAD);
        std::process::Command::new("kill")
            .args(["-9", &process.to_string()])
            .status()
    });
    let span = Span {
        warm_up: Duration::ZERO,
        counted: LOAD * 2,
    };
    // It ends in nothing but failures, as it must: what was acknowledged before is what counts.
    let _ = load::run(shoppers, &Errand::Purchase, span).await;
    let killed = killer.join().map_err(|_| anyhow::anyhow!("the killer panicked"))??;
    ensure!(
        killed.success(),
        "the shop was gone before it was killed:\n{}",
        shop.fleet.output()
    );

    let begin = Instant::now();
    shop.fleet.restart_all().await;
    let restarted = begin.elapsed();
    let (mut acknowledged, mut lost) = (0, Vec::new());
    for shopper in shoppers.iter_mut() {
        for order in shopper.acknowledged.take().unwrap_or_default() {
            acknowledged += 1;
            if shopper.status_of(&order).await?.as_deref() != Some("confirmed") {
                lost.push(order);
            }
        }
    }
    ensure!(acknowledged > 0, "no order was acknowledged before the kill");
    ensure!(
        lost.is_empty(),
        "{} of {acknowledged} acknowledged orders are lost or not confirmed: {lost:?}",
        lost.len()
    );

    let begin = Instant::now();
    let (verdict, rested) = loop {
        let doctor = shop.command(&["doctor", "--rested", "0"]);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&doctor.stderr),
            String::from_utf8_lossy(&doctor.stdout)
        );
        if doctor.status.success() {
            break (text.lines().last().unwrap_or_default().to_owned(), begin.elapsed());
        }
        ensure!(begin.elapsed() < REST_MAX, "the doctor still complains:\n{text}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    Ok(vec![
        format!(
            "killed by SIGKILL at about {:.0} purchases/s; ready again after {:.2} s",
            acknowledged as f64 / LOAD.as_secs_f64(),
            restarted.as_secs_f64()
        ),
        format!("{acknowledged} orders had been acknowledged as confirmed, {acknowledged} are there and confirmed"),
        format!(
            "orders under way were at rest {:.1} s later; doctor: {}",
            rested.as_secs_f64(),
            verdict.trim()
        ),
    ])
}
