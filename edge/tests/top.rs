//! `ringhub top` in a terminal: the kernel's own, whose other end the test holds.

mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use support::hub::Hub;
use support::patience::eventually;

/// Back to the first screen, with a cursor.
const LEAVE_SCREEN: &str = "\x1b[?25h\x1b[?1049l";

/// A terminal and all that was shown on it.
struct Terminal {
    /// Where keys are pressed.
    keyboard: File,
    /// What programs have as their terminal.
    line: File,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("it is ours");
        let name = ptsname(&keyboard, Vec::new()).expect("it has a name");
        let name = name.to_str().expect("it is a path");
        let line = OpenOptions::new().read(true).write(true).open(name).expect("it can be opened");
        let size = Winsize { ws_row: 50, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&line, size).expect("terminals have a size");
        let keyboard = File::from(keyboard);
        let mut screen = keyboard.try_clone().expect("a descriptor");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&shown);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut piece) {
                all.lock().expect("nobody panics").extend_from_slice(&piece[..count]);
            }
        });
        Self { keyboard, line, shown }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("nobody panics")).into_owned()
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("the terminal takes keys");
    }

    fn modes(&self) -> LocalModes {
        tcgetattr(&self.line).expect("it is a terminal").local_modes
    }

    /// Starts `ringhub top` with this as its terminal, so that Ctrl-C is a signal to it.
    fn start_top(&self, hub: &Hub) -> Child {
        let line = || Stdio::from(self.line.try_clone().expect("a descriptor"));
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_ringhub"), "top"]);
        command.args(["--interval", "0.2", "--data-dir"]).arg(hub.data_dir());
        command.env_remove("RINGHUB_CONNECTION_STRING");
        command.stdin(line()).stdout(line()).stderr(line()).spawn().expect("setsid is there")
    }

    #[track_caller]
    fn wait_for(&self, what: &str, holds: impl Fn(&str) -> bool) {
        eventually(what, || holds(&self.shown()));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("shown: {:?}", self.shown());
        }
    }
}

fn pictures(shown: &str) -> usize {
    shown.matches("STAGE").count()
}

/// Goal: every way to end leaves the terminal as it was. Method: its modes before and after, and
/// what was written to it last.
#[test]
fn q_escape_and_interrupt_end_it_and_restore_the_terminal() {
    let hub = Hub::start();
    for key in [&b"q"[..], b"\x1b", b"\x03"] {
        let mut terminal = Terminal::open();
        let before = terminal.modes();
        let mut top = terminal.start_top(&hub);
        terminal.wait_for("a picture", |shown| pictures(shown) > 0);
        assert!(!terminal.modes().intersects(LocalModes::ECHO | LocalModes::ICANON));
        // Other keys, those with Esc in front among them, are nothing.
        terminal.press(b"x");
        terminal.press(b"\x1b[A");
        let seen = pictures(&terminal.shown());
        terminal.wait_for("it goes on", |shown| pictures(shown) > seen + 1);
        terminal.press(key);
        let ended = top.wait().expect("it is our child");
        assert_eq!(ended.code(), Some(0), "{key:?}: {}", terminal.shown());
        terminal.wait_for("the first screen", |shown| shown.ends_with(LEAVE_SCREEN));
        assert_eq!(terminal.modes(), before, "{key:?}");
    }
}
