//! The real binary, in both shapes: it comes up, survives a crash, and ends in good order.

use testkit::fleet::{Fleet, Shape};
use testkit::process::PARTS;

/// A folder for one test's data, removed at its end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ironmonger-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary directory can be written");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn comes_up_comes_back_and_ends(shape: Shape, name: &str) {
    let folder = Folder::new(name);
    let mut fleet = Fleet::start(shape, folder.0.clone(), None, &[]).await;
    let before = fleet.process("orders").id();
    fleet.kill9("orders");
    fleet.restart("orders").await;
    assert_ne!(fleet.process("orders").id(), before);
    assert!(
        fleet.terminate().await,
        "every process ends with success:\n{}",
        fleet.output()
    );
}

#[tokio::test]
async fn one_process_comes_up_comes_back_and_ends() {
    comes_up_comes_back_and_ends(Shape::One, "one").await;
}

#[tokio::test]
async fn a_process_per_part_comes_up_comes_back_and_ends() {
    comes_up_comes_back_and_ends(Shape::Split, "split").await;
}

#[test]
fn there_is_a_port_for_every_part() {
    let ports = testkit::ports::Ports::take();
    assert!(ports.get(PARTS.len() - 1) > ports.get(0));
}
