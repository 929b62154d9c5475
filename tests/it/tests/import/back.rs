//! The command line foresees imports, takes them back, and writes exports and rejected rows.

use super::*;

/// The command line: foresee, import, take back; rejected rows and exports as files.
#[tokio::test]
async fn the_command_line_foresees_takes_back_and_exports() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path");
    let command = |args: &[&str]| run(&[args, &["--data", data]].concat(), &[]);
    let at = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    file(
        &folder,
        "old.csv",
        b"Handle,Title,Variant Price,Variant Inventory Qty\ntongs,Tongs,9.50,4\n",
    );
    file(
        &folder,
        "new.csv",
        b"Handle,Title,Variant Price,Variant Inventory Qty\ntongs,Tongs,12,4\nawl,Awl,3,1\nsaw,Saw,\"3,50\",1\n",
    );
    imported(&command(&["import", &at("old.csv")]));
    imported(&command(&["export", &at("before.csv")]));
    let foreseen = command(&["import", &at("new.csv"), "--dry-run"]);
    let said = out(&foreseen);
    assert_eq!(foreseen.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("1 products would be created, 1 updated, 0 are unchanged"),
        "{said}"
    );
    assert!(
        said.contains("tongs: price of TONGS 9.50 → 12.00") && said.contains("awl: new"),
        "{said}"
    );
    assert!(
        said.contains("line 4: Variant Price: (3,50) is no price such as 9.99; write 3.50"),
        "{said}"
    );

    let done = command(&["import", &at("new.csv"), "--rejected", &at("rejected.csv")]);
    let said = out(&done);
    assert!(said.starts_with("1 products created, 1 updated, 0 unchanged"), "{said}");
    let id = said
        .lines()
        .find_map(|line| line.strip_prefix("To take it back: ironmonger import --undo "));
    let id = id.expect("how to take it back").to_owned();
    let rejected = std::fs::read_to_string(at("rejected.csv")).expect("a file");
    assert!(
        rejected.contains("Import Error") && rejected.contains("saw,Saw,\"3,50\",1,\"line 4"),
        "{rejected}"
    );
    file(&folder, "mended.csv", rejected.replace("\"3,50\"", "3.50").as_bytes());
    let said = imported(&command(&["import", &at("mended.csv"), &at("mended.csv")]));
    assert!(
        said.contains("1 products created") && said.contains("1 unchanged"),
        "{said}"
    );

    let said = imported(&command(&["import", "--undo", &id]));
    assert!(said.starts_with("2 products are again what they were."), "{said}");
    imported(&command(&["export", &at("after.csv"), "--category", "General"]));
    let (before, after) = (at("before.csv"), at("after.csv"));
    let read = |path: &str| std::fs::read_to_string(path).expect("a file");
    let after: String = read(&after)
        .lines()
        .filter(|line| !line.starts_with("saw,"))
        .fold(String::new(), |all, line| all + line + "\r\n");
    assert_eq!(after, read(&before));
    let said = out(&command(&["export", "--status", "draft"]));
    assert_eq!(said.lines().count(), 1, "{said}");
}
