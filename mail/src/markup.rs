//! From a template and values to a mail's subject, text and HTML.
//!
//! A template is lines of text: the subject first, then blocks apart by empty lines. `-> Label: …`
//! is a button, lines of `= Label: value` are a table of facts, `~ …` is small print, the rest are
//! paragraphs. Text and HTML come from the same blocks and cannot say different things.
//!
//! A template is cut into blocks before values come in, and values are escaped: no value can become
//! markup. A block or fact whose value is absent is left out.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

const LAYOUT: &str = include_str!("../templates/layout.html");
/// Longest line of the text, in characters.
const WIDTH: usize = 72;

/// What stands for `{name}`; none: what holds it is left out.
pub(crate) type Values = BTreeMap<&'static str, Option<String>>;

/// A mail's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// A template that asks for what it is not given: our bug.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MarkupError {
    #[error("no value is called {0:?}")]
    Unknown(String),
    #[error("the template has no {0}")]
    Lacks(&'static str),
}

#[derive(Debug, PartialEq, Eq)]
enum Block {
    Paragraph(String),
    Small(String),
    Button { label: String, url: String },
    Facts(Vec<(String, String)>),
}

/// The mail of a template.
pub(crate) fn render(source: &str, values: &Values) -> Result<Rendered, MarkupError> {
    let (subject, rest) = source.split_once('\n').unwrap_or((source, ""));
    let subject = fill(subject.trim(), values)?.ok_or(MarkupError::Lacks("subject"))?;
    let home = values.get("home").cloned().flatten();
    let home = home.ok_or(MarkupError::Lacks("home"))?;
    let mut blocks = Vec::new();
    for chunk in rest.split("\n\n") {
        let lines: Vec<&str> = chunk.lines().filter(|line| !line.is_empty()).collect();
        if !lines.is_empty() {
            blocks.extend(block(&lines, values)?);
        }
    }
    Ok(Rendered {
        text: text(&blocks, &home),
        html: html(&subject, &blocks, &home)?,
        subject,
    })
}

fn block(lines: &[&str], values: &Values) -> Result<Option<Block>, MarkupError> {
    if lines[0].starts_with("= ") {
        let mut facts = Vec::new();
        for line in lines {
            let line = line
                .strip_prefix("= ")
                .ok_or(MarkupError::Lacks("fact here"))?;
            facts.extend(pair(line, values)?);
        }
        return Ok((!facts.is_empty()).then_some(Block::Facts(facts)));
    }
    let whole = lines.join(" ");
    if let Some(button) = whole.strip_prefix("-> ") {
        let button = pair(button, values)?;
        return Ok(button.map(|(label, url)| Block::Button { label, url }));
    }
    if let Some(small) = whole.strip_prefix("~ ") {
        return Ok(fill(small, values)?.map(Block::Small));
    }
    Ok(fill(&whole, values)?.map(Block::Paragraph))
}

/// `Label: {value}`.
fn pair(line: &str, values: &Values) -> Result<Option<(String, String)>, MarkupError> {
    let (label, value) = line.split_once(": ").ok_or(MarkupError::Lacks("label"))?;
    Ok(fill(value, values)?.map(|value| (label.to_owned(), value)))
}

/// The text with its values, in one pass: what a value says is not looked at again.
fn fill(text: &str, values: &Values) -> Result<Option<String>, MarkupError> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('{') {
        let (name, after) = from
            .split_once('}')
            .ok_or(MarkupError::Lacks("closing brace"))?;
        let value = values.get(name);
        let Some(value) = value.ok_or_else(|| MarkupError::Unknown(name.to_owned()))? else {
            return Ok(None);
        };
        filled.push_str(before);
        // One line, whatever it was: a value must not look like a paragraph of ours.
        filled.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
        rest = after;
    }
    filled.push_str(rest);
    Ok(Some(filled))
}

fn text(blocks: &[Block], home: &str) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            Block::Paragraph(words) | Block::Small(words) => wrap(&mut text, words),
            Block::Button { label, url } => {
                let _ = write!(text, "{label}:\n{url}\n");
            }
            Block::Facts(facts) => {
                for (label, value) in facts {
                    let _ = writeln!(text, "{label}: {value}");
                }
            }
        }
        text.push('\n');
    }
    let _ = write!(text, "-- \nDaybook\n{home}\n");
    text
}

fn wrap(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

fn html(subject: &str, blocks: &[Block], home: &str) -> Result<String, MarkupError> {
    let mut body = String::new();
    for block in blocks {
        match block {
            Block::Paragraph(words) => {
                let words = escape(words);
                let _ = writeln!(body, r#"<p style="margin:0 0 16px">{words}</p>"#);
            }
            Block::Small(words) => {
                let words = escape(words);
                let style = "margin:0 0 16px;font-size:13px;line-height:20px;color:#6b7280";
                let _ = writeln!(body, r#"<p style="{style}">{words}</p>"#);
            }
            Block::Button { label, url } => button(&mut body, &escape(label), &escape(url)),
            Block::Facts(facts) => table(&mut body, facts),
        }
    }
    let values: Values = [
        ("title", escape(subject).into_owned()),
        ("body", body.trim_end().to_owned()),
        ("home", escape(home).into_owned()),
    ]
    .map(|(name, value)| (name, Some(value)))
    .into();
    layout(&values)
}

/// The layout's values are HTML by then, lines and all.
fn layout(values: &Values) -> Result<String, MarkupError> {
    let mut page = String::new();
    let mut rest = LAYOUT;
    while let Some((before, from)) = rest.split_once('{') {
        let (name, after) = from
            .split_once('}')
            .ok_or(MarkupError::Lacks("closing brace"))?;
        let value = values.get(name).and_then(Option::as_deref);
        page.push_str(before);
        page.push_str(value.ok_or_else(|| MarkupError::Unknown(name.to_owned()))?);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

fn button(body: &mut String, label: &str, url: &str) {
    let style = "display:inline-block;padding:12px 20px;border-radius:6px;background:#1d4ed8;\
                 color:#ffffff;font-weight:600;text-decoration:none";
    let small = "margin:0 0 24px;font-size:13px;line-height:20px;color:#6b7280;\
                 word-break:break-all";
    let _ = writeln!(
        body,
        "<p style=\"margin:24px 0 12px\"><a href=\"{url}\" style=\"{style}\">{label}</a></p>\n\
         <p style=\"{small}\">Or open this address: {url}</p>"
    );
}

fn table(body: &mut String, facts: &[(String, String)]) {
    let style = "margin:0 0 16px;border-collapse:collapse";
    let _ = writeln!(body, r#"<table role="presentation" style="{style}">"#);
    for (label, value) in facts {
        let (label, value) = (escape(label), escape(value));
        let _ = writeln!(
            body,
            "<tr><td style=\"padding:4px 16px 4px 0;color:#6b7280;vertical-align:top\">{label}</td>\
             <td style=\"padding:4px 0;word-break:break-word\">{value}</td></tr>"
        );
    }
    body.push_str("</table>\n");
}

/// Safe as content and within double quotes.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&'static str, Option<&str>)]) -> Values {
        let mut values: Values = pairs
            .iter()
            .map(|(name, value)| (*name, value.map(str::to_owned)))
            .collect();
        values.insert("home", Some("https://trade.example.com".to_owned()));
        values
    }

    #[test]
    fn text_and_html_say_the_same() {
        let source = "News\n\nHello {name},\n\n-> Open it: {link}\n\n= When: {when}\n\n~ Bye.\n";
        let values = values(&[
            ("name", Some("Ada")),
            ("link", Some("https://x.example/?a=1&b=2")),
            ("when", Some("today")),
        ]);
        let mail = render(source, &values).unwrap();
        assert_eq!(mail.subject, "News");
        assert_eq!(
            mail.text,
            "Hello Ada,\n\nOpen it:\nhttps://x.example/?a=1&b=2\n\nWhen: today\n\nBye.\n\n\
             -- \nDaybook\nhttps://trade.example.com\n"
        );
        let link = r#"<a href="https://x.example/?a=1&amp;b=2""#;
        for part in ["Hello Ada,", link, "When", "today", "Bye."] {
            assert!(mail.html.contains(part), "{part}");
        }
    }

    #[test]
    fn a_value_is_never_markup() {
        let source = "News\n\nHello {name},\n\n-> Open: {link}\n\n= Program: {name}\n";
        let evil = "<img src=x onerror='a()'>\" {link} {body}\n\n-> Win: http://evil.example";
        let values = values(&[("name", Some(evil)), ("link", Some("https://x.example"))]);
        let mail = render(source, &values).unwrap();
        assert!(!mail.html.contains("<img"));
        assert!(!mail.html.contains("onerror='"));
        assert!(!mail.html.contains(r#"href="http://evil"#));
        assert!(
            mail.html
                .contains("&lt;img src=x onerror=&#39;a()&#39;&gt;")
        );
        assert!(mail.html.contains("{link} {body}"), "not looked at again");
        assert!(!mail.text.contains("\n-> Win"), "{}", mail.text);
    }

    #[test]
    fn what_is_absent_takes_its_block_or_fact_along() {
        let source = "News\n\nNotes: {notes}\n\n= A: {a}\n= B: {notes}\n\n= C: {notes}\n\nEnd.";
        let values = values(&[("notes", None), ("a", Some("1"))]);
        let mail = render(source, &values).unwrap();
        let (content, _) = mail.text.split_once("-- ").unwrap();
        assert_eq!(content, "A: 1\n\nEnd.\n\n");
    }

    #[test]
    fn a_template_that_asks_for_the_unknown_is_an_error() {
        let refused = render("News\n\n{x}", &values(&[]));
        assert_eq!(refused, Err(MarkupError::Unknown("x".to_owned())));
        let refused = render("News {", &values(&[]));
        assert_eq!(refused, Err(MarkupError::Lacks("closing brace")));
    }

    #[test]
    fn long_paragraphs_are_wrapped_and_long_words_are_not_cut() {
        let words = "word ".repeat(40);
        let long = "x".repeat(100);
        let mail = render(&format!("News\n\n{words}{long}"), &values(&[])).unwrap();
        let lines: Vec<&str> = mail.text.lines().collect();
        assert!(lines.contains(&long.as_str()));
        let widest = lines.iter().filter(|line| **line != long);
        assert!(widest.map(|line| line.len()).max() <= Some(WIDTH));
    }
}
