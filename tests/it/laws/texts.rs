//! Random projects whose texts name things in every way that the language has.

use proptest::prelude::*;

use super::memory::{Files, quoted};

/// Ways to name something that is text on every host.
const NAMES: [&str; 34] = [
    "vars.same",
    "vars.own",
    "vars['own']",
    "vars[params.key]",
    "vars.t.x",
    "vars.t['x']",
    "vars['t'][\"y\"]",
    "vars.t?.x",
    "vars?.own",
    "vars.l[0]",
    "vars.l | first",
    "vars.n ~ ''",
    "params.p",
    "params.q",
    "params['q']",
    "params.key",
    "locals.one",
    "locals.two",
    "locals['two']",
    "host.name",
    "host['name']",
    "host.groups | first",
    "facts.os.id",
    "facts['os']['id']",
    "facts.cpus ~ ''",
    "facts.hostname",
    "stage.name",
    "project.name",
    "hosts(group='web') | first | get(key='name')",
    "[h.vars.own for h in hosts(group=params.group)] | join(sep='')",
    "vars | get(key='own')",
    "vars | get(key='t') | get(key='x')",
    "'text'",
    "`''`",
];

/// An expression that is text on every host.
fn expression(names: &'static [&'static str]) -> BoxedStrategy<String> {
    let leaf = prop::sample::select(names).prop_map(str::to_owned);
    leaf.prop_recursive(2, 8, 4, |inner| {
        let parts = [inner.clone(), inner.clone(), inner.clone(), inner];
        (0..FORMS.len(), parts).prop_map(|(form, parts)| fill(FORMS[form], &parts))
    })
    .boxed()
}

/// What expressions are made of; `A` to `D` are other ones.
const FORMS: [&str; 19] = [
    "(A) ~ (B)",
    "(A) ~ '-' ~ (B)",
    "((A) if (B) == (C) else (D))",
    "((A) if 1 < vars.n else (B))",
    "((A) if (B) < (C) else (D))",
    "((A) if vars.n <facts.cpus else (B))",
    "(A) | default(value=(B))",
    "(A) | replace(from=(B), to=(C))",
    "(A) | upper",
    "[x ~ (A) for x in [(B), (C)]] | join(sep=(D))",
    "[x for x in [(A), (B)] if x == (C)] | join(sep='')",
    "[(A), ...[(B)], ...vars.l] | last",
    "[(A), (B)] | join(sep=',')",
    "[...vars.l, (A)] | join(sep='')",
    "{'k': (A), 'm': (B)} | get(key='k')",
    "{'k': (A), ...vars.t} | values | join(sep='')",
    "vars.l[vars.n - 1:] | join(sep=(A))",
    "((A) if vars.t.x is containing(pat=(B)) and not (A) == (C) else (D))",
    "[vars ~ '' for vars in [(A)]] | first",
];

/// What texts are made of; `A` to `D` are expressions, `X` and `Y` other texts.
const TEXTS: [&str; 21] = [
    "{{ A }}",
    "{{- (A) -}}X",
    "X{{ A }}Y",
    "{% set v = (A) %}{{ v }}X",
    "{% set v = vars %}{{ v.own }}{{ v['t'].x }}",
    "{% set v = host %}{{ v.name }}",
    "{% set_global w = facts %}{{ w.os.id }}X",
    "{% set v %}X{% endset %}{{ v }}",
    "{% for k, v in vars %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in vars.t %}{{ k }}={{ v }}{{ A }};{% endfor %}",
    "{% for x in [(A), (B)] %}{{ loop.index }}{{ x }}X{% endfor %}",
    "{% for host in [(A)] %}{{ host }}{% endfor %}Y",
    "{% for vars in [(A)] %}{{ vars }}{% else %}X{% endfor %}Y{{ B }}",
    "{% if (A) == (B) %}X{% elif 1 < vars.n %}Y{% else %}{{ C }}{% endif %}",
    "{% if (A) != 'text' and vars.n >= 2 %}X{% endif %}",
    "{% filter upper %}X{% endfilter %}{{ A }}",
    "{% filter replace(from='a', to=(A)) | lower %}X{% endfilter %}",
    "{%- raw -%}{{ \" {%- endraw -%}X{{ A }}",
    "{# {{ \" #}X{#} {{ #}{{ A }}",
    "text",
    "{{ [host.name for host in hosts(group='web')] | join(sep=' ') }}{{ A }}",
];

/// Puts parts into a form.
fn fill(form: &str, parts: &[String; 4]) -> String {
    form.chars().fold(String::new(), |mut text, char| {
        match char {
            'A'..='D' => text.push_str(&parts[char as usize - 'A' as usize]),
            other => text.push(other),
        }
        text
    })
}

/// A text for a template; those of `more` besides.
fn text(names: &'static [&'static str], more: &'static [&'static str]) -> BoxedStrategy<String> {
    let parts = move || {
        let one = || expression(names);
        [one(), one(), one(), one()]
    };
    let flat = (0..TEXTS.len() + more.len(), parts()).prop_map(move |(form, parts)| {
        let form = TEXTS.iter().chain(more).nth(form).expect("a form of a text");
        fill(form, &parts)
    });
    flat.prop_recursive(3, 8, 2, |inner| (inner.clone(), inner.clone(), inner).prop_map(nest))
        .prop_map(|text| text.replace(['X', 'Y'], ""))
        .boxed()
}

/// Puts two texts into a third.
fn nest((outer, one, other): (String, String, String)) -> String {
    outer.replacen('X', &one, 1).replacen('Y', &other, 1)
}

/// The vars of one host: few values, so that hosts agree on some of them.
fn host_vars() -> impl Strategy<Value = String> {
    let word = || prop::sample::select(vec!["a", "b", "key", "own"]);
    (word(), 1..3_u8, word(), word(), word()).prop_map(|(own, n, x, y, l)| {
        format!(
            "own = \"{own}\", n = {n}, l = [\"{l}\", \"z\"], t = {{ x = \"{x}\", y = \"{y}\" }}"
        )
    })
}

/// Names that are there where no params are.
const OUTSIDE: [&str; 12] = [
    "vars.same",
    "vars.own",
    "vars['own']",
    "vars.t.x",
    "vars.l[0]",
    "vars.n ~ ''",
    "host.name",
    "host.groups | first",
    "facts.os.id",
    "facts.cpus ~ ''",
    "stage.name",
    "hosts(group='web') | first | get(key='name')",
];
/// Names that are there where no locals are.
const PARAMS: [&str; 8] = [
    "params.p",
    "params.q",
    "params[params.key] | default(value='q')",
    "params['q']",
    "vars.own",
    "vars[params.key]",
    "facts.os.id",
    "host.name",
];
const LOCAL: [&str; 5] = ["locals.one", "locals['one']", "params.q", "vars.t.y", "vars.same"];
/// Texts that only the templates of a module have.
const FILES: [&str; 8] = [
    "{{ <c x={(A)} /> }}X",
    "{% <c x={(A)}> %}X{% </c> %}{{ B }}",
    "{% set x = (A) %}{{ <c x /> }}",
    "{{ <ui.d {...{'x': (A)} } /> }}{% <ui.d x=\"k\"> %}X{% </ui.d> %}",
    "{% include 'inner' %}X",
    "X{% include \"in\\/ner\" %}",
    "{{ A }}X{% include 'inner' %}",
    "X",
];

/// `{{ … }}` as a string of TOML.
fn braces(expression: &str) -> String {
    quoted(&format!("{{{{ {expression} }}}}"))
}

/// A project of two modules, one of which uses the other, on four hosts.
pub(super) fn project() -> impl Strategy<Value = Files> {
    let outside = || expression(&OUTSIDE);
    let inside = || expression(&NAMES);
    let file = || text(&NAMES, &FILES);
    let plain = || text(&NAMES, &[]);
    (
        [host_vars(), host_vars(), host_vars(), host_vars()],
        (outside(), outside(), expression(&PARAMS), expression(&LOCAL)),
        [inside(), inside(), inside(), inside(), inside(), inside()],
        (file(), file(), plain(), file()),
        [plain(), plain(), plain()],
        (inside(), outside(), any::<bool>()),
    )
        .prop_map(|(hosts, (p, q, one, two), e, (main, block, inner, base), t, (used, other, extends))| {
            let hosts = hosts.iter().enumerate().map(|(index, vars)| format!("h{index} = {{ vars = {{ {vars} }} }}\n"));
            let inventory = format!(
                "[vars]\nsame = \"s\"\n[groups.web]\nhosts = [\"h[0:3]\"]\n[hosts]\n{}",
                hosts.collect::<String>()
            );
            let module = format!(
                "use = [{{ use = \"n\", with = {{ q = {} }} }}]\n[params]\nkey = {{ type = \"string\", default = \"own\" }}\n\
                 group = {{ type = \"string\", default = \"web\" }}\np = {{ type = \"string\" }}\n\
                 q = {{ type = \"string\" }}\n[locals]\ntwo = {}\none = {}\n\
                 [file.\"/a\"]\ntemplate = \"main\"\n\
                 [file.\"/b/{{{{ each.index }}}}\"]\nfor_each = {}\ncontent = {}\n\
                 [file.\"/c\"]\nwhen = {}\ncontent = {}\n\
                 [file.\"/d\"]\ncontent = {}\n",
                braces(&used),
                braces(&two),
                braces(&one),
                quoted(&format!("[{}, {}]", e[0], e[1])),
                quoted(&format!("{{{{ each.value }}}}{{{{ {} }}}}{}", e[2], t[0])),
                quoted(&format!("({}) == ({})", e[3], e[4])),
                quoted(&t[1]),
                braces(&e[5]),
            );
            let other_module = format!(
                "[params]\nq = {{ type = \"string\" }}\n[file.\"/n\"]\ncontent = {}\n[file.\"/m\"]\ntemplate = \"t\"\n",
                quoted("{{ params.q }}"),
            );
            let stages = format!(
                "[project]\nname = \"p\"\ninventory = \"i.toml\"\n[[stage]]\nname = \"s\"\nhosts = \"all\"\n\
                 modules = [{{ use = \"m\", with = {{ p = {}, q = {} }} }}]\n\
                 [[stage]]\nname = \"o\"\nhosts = \"h0 or h1 or h2\"\nmodules = [{{ use = \"o\", with = {{ q = {} }} }}]\n",
                braces(&p),
                braces(&q),
                braces(&other),
            );
            let main = if extends {
                format!("{{% extends 'base' %}}{{% block a %}}{{{{ super() }}}}{block}{{% endblock a %}}")
            } else {
                format!("{main}{block}")
            };
            let components = "{% component c(x) %}[{{ x }}{{ body | default(value='') }}]{% endcomponent %}\
                {% component ui.d(x) %}({{ x }}{{ body | default(value='') }}){% endcomponent %}";
            let text = |text: &str| text.replace("params.p", "params.q").replace("locals.", "params.q ~ vars.");
            Files::default()
                .with("trueup.toml", stages)
                .with("i.toml", inventory)
                .with("modules/m/module.toml", module)
                .with("modules/m/templates/main", main)
                .with("modules/m/templates/inner", inner)
                .with("modules/m/templates/in/ner", "{{ vars.t.y }}")
                .with("modules/m/templates/base", format!("{base}{{% block a %}}{}{{% endblock %}}", t[2]))
                .with("modules/m/templates/components", components)
                .with("modules/n/module.toml", &*other_module)
                .with("modules/n/templates/t", "{{ params.q }}{{ vars.same }}{{ 1 < vars.n }}")
                .with("modules/o/module.toml", other_module.replace("\"/", "\"/o"))
                .with("modules/o/templates/t", text("{{ stage.name }}{{ vars.own }}"))
        })
}
