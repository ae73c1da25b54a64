//! What is wrong with what Tidemark connects to, or is connected to by: envelopes, schema registries,
//! the webhook receiver.

use insta::assert_snapshot;

use super::refusal;

#[test]
fn envelopes_and_registries() {
    assert_snapshot!(refusal(
        r#"
[[sources]]
name = "crm"
topics = ["crm"]
envelope = "debizium"

[schema_registry]
url = "https://me:secret@registry:8081"
user = "me"

[[sources]]
name = "shop"
topics = ["shop"]
envelope = "standard-webhooks"
"#
    ));
    assert_snapshot!(refusal(
        r#"
[schema_registry]
url = "registry:8081"
"#
    ));
    assert_snapshot!(refusal(
        r#"
[schema_registry]
url = "http://registry:8081/"
username = "me"
token = { env = "NOT_SET_ANYWHERE" }
ca = "no-such-file.pem"
"#
    ));
    assert_snapshot!(refusal(
        r#"
[schema_registry]
url = "http://registry:8081/"
username = "me"
password = "hunter2"
"#
    ));
}

/// What is said of endpoints.
fn receiver(endpoints: &str) -> String {
    let source = "[[sources]]\nname = \"crm\"\ntopics = [\"a\"]\n";
    refusal(&format!("{source}[hooks]\nlisten = \"127.0.0.1:1\"\n{endpoints}"))
}

#[test]
fn what_is_wrong_with_a_receiver() {
    assert_snapshot!(receiver(
        r#"
[[hooks.endpoint]]
path = "/a"
source = "crn"
verify = "stripe"
secrets = [{ env = "NOT_SET" }]
[[hooks.endpoint]]
path = "/a"
source = "crm"
verify = "hubspot"
secrets = [{ file = "/nowhere/secret" }]
[[hooks.endpoint]]
path = "/b"
source = "crm"
verify = "shopify"
[[hooks.endpoint]]
path = "/c"
source = "crm"
verify = "none"
secrets = [{ env = "NOT_SET" }]
[[hooks.endpoint]]
path = "/d"
source = "crm"
[[hooks.endpoint]]
path = "/e"
source = "crm"
verify = "meta"
secrets = [{ file = "/nowhere/secret" }]
headers = ["Authorization"]
[[hooks.endpoint]]
path = "/f"
source = "crm"
secrets = [{ env = "NOT_SET" }]
[hooks.endpoint.scheme]
algorithm = "hmac-sha256"
signature = { header = "x-signature" }
message = ["{timestamp}"]
"#
    ));
}

#[test]
fn what_is_wrong_with_what_is_typed_for_a_receiver() {
    assert_snapshot!(receiver(
        r#"
[[hooks.endpoint]]
path = "no slash"
source = "crm"
verify = "hubspot4"
secrets = ["hunter2"]
[[hooks.endpoint]]
path = "/b"
source = "crm"
verify = "shopify"
secrets = [
  "hunter2",
]
verify_token = "hunter2"
[[hooks.endpoint]]
path = "/c"
source = "crm"
[hooks.endpoint.scheme]
message = ["{bdoy}"]
"#
    ));
    assert_snapshot!(refusal(
        "[hooks]\nlisten = \"0.0.0.0:1\"\npublic_url = \"hooks.example.com\"\n"
    ));
    assert_snapshot!(refusal("[hooks]\nlisten = \"0.0.0.0:1\"\nmax_buffered = \"2KiB\"\n"));
    assert_snapshot!(refusal(
        "[[sources]]\nname = \"a\"\ntopics = [\"a\"]\n[[hooks.endpoint]]\npath = \"/a\"\nsource = \"a\"\nverify = \"none\"\n"
    ));
}
