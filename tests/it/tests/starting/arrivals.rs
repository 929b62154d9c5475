//! Accounts of another system, brought in by the command line: without a server, and beside one.

use super::*;

/// "U*U", from the test vectors of bcrypt's authors.
const BCRYPT: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/// What an import says whose last line of the file is refused.
fn partly(done: &Output) -> String {
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(
        done.status.code(),
        Some(1),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    said
}

#[tokio::test]
async fn accounts_come_from_another_system() {
    let folder = folder();
    let data = data(&folder);
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let csv = format!(
        "\u{feff}Email,username,first_name,last_name,password_hash\n\
         ada@example.com,ada,Ada,Lovelace,{BCRYPT}\n\
         eve@example.com,,Eve,,\n\
         no,7,,,hunter2\n"
    );
    std::fs::write(path("users.csv"), csv).expect("a file");
    let import = |name: &str| run(&["users", "import", &path(name), "--data", &data], &[]);
    let said = partly(&import("users.csv"));
    assert!(
        said.contains("2 accounts created, 0 were there already, 1 refused."),
        "{said}"
    );
    let refused = said
        .lines()
        .find(|line| line.starts_with("line 4: "))
        .expect("a refusal");
    assert!(
        refused.contains("email ") && refused.contains("password_hash "),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
    // Once more changes nothing.
    let said = partly(&import("users.csv"));
    assert!(
        said.contains("0 accounts created, 2 were there already, 1 refused."),
        "{said}"
    );

    std::fs::write(path("plain.csv"), "email,password\nada@example.com,hunter2\n").expect("a file");
    fails(&import("plain.csv"), &["`password`", "must not lie in a file"]);
    std::fs::write(path("other.csv"), "email,shoe_size\n").expect("a file");
    fails(&import("other.csv"), &["`shoe_size`", "password_hash"]);
    fails(&import("absent.csv"), &["absent.csv"]);

    let mut process = Process::start(options(&data, &[], &[]));
    process.wait_ready().await;
    let visitor = Client::connect(&process.base_url()).await;
    let login = json!({ "email": "ada@example.com", "password": "U*U" });
    let session = visitor.post("/api/auth/login", login).send().await.is(200);
    assert_eq!(session["user"]["name"], "Ada Lovelace");
    std::fs::write(path("more.csv"), "username,role\ntill,staff\n").expect("a file");
    let said = succeeds(&process.run(&["users", "import", &path("more.csv")]));
    assert!(said.contains("1 accounts created"), "{said}");
    let said = partly(&process.run(&["users", "import", &path("users.csv")]));
    assert!(said.contains("2 were there already"), "{said}");
    process.terminate().await;
}
