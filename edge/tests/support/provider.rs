//! The resource provider of a hub under test.

use std::{fs, io};

use serde_json::Value;

use super::http::HttpConnection;
use super::hub::Hub;
use super::tls;

/// Where the hub of the configuration file is found.
pub(crate) const CONFIGURED_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
pub(crate) const CONFIGURED_GROUP: &str = "ringhub";

/// The token of administrators, which the hub has made.
pub(crate) fn admin_token(hub: &Hub) -> String {
    let text = fs::read_to_string(hub.data_dir().join("admin-token"));
    text.expect("the hub wrote its token").trim().to_owned()
}

/// What SDKs take as the address of the provider.
pub(crate) fn base_url(hub: &Hub) -> String {
    format!("https://{}", hub.address.https_host())
}

/// Where hubs of a test are, without a name.
pub(crate) const PLANT: &str = "/subscriptions/91d12660-3dec-467a-be2a-213b5544ddc0/resourceGroups/Plant/providers/\
     Microsoft.Devices/IotHubs";

/// Where the hubs of the commands are, without a name.
pub(crate) const COMMANDS: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ringhub/providers/\
     Microsoft.Devices/IotHubs";

/// An administrator without any SDK, on one connection.
pub(crate) struct Administrator {
    http: HttpConnection,
    host: String,
    token: String,
}

impl Administrator {
    pub(crate) fn connect(hub: &Hub) -> io::Result<Self> {
        let (host, token) = (hub.address.https_host(), format!("Bearer {}", admin_token(hub)));
        let stream = tls::connect(hub, hub.address.https_port)?;
        let http = HttpConnection::over(stream, host.clone(), token.clone());
        Ok(Self { http, host, token })
    }

    /// Status and body of an answer; `null` where it has none.
    pub(crate) fn exchange(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> io::Result<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let Self { host, token, .. } = self;
        let request = format!(
            "{method} {path}?api-version=2023-06-30 HTTP/1.1\r\nHost: {host}\r\n\
             Authorization: {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.http.send(request.as_bytes())?;
        let answer = self.http.read_response()?;
        let body = if answer.body.is_empty() { Ok(Value::Null) } else { answer.body.parse() };
        Ok((answer.status, body.map_err(io::Error::other)?))
    }

    /// The body of an answer that must be good.
    #[track_caller]
    pub(crate) fn good(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.exchange(method, path, body).expect("the hub answers");
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }
}
