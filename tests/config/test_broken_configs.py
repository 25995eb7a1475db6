"""Every kind of broken config is refused with a message that names the key."""

from pathlib import Path

import pytest

from promptrl.trackers.registry import TRACKERS
from tests.config.good_config import GOOD, openai, problems_of, swap

PROMPT = 'prompt:\n  slots:\n    task: ["Classify.", "Read, then classify."]\n'
METRICS = "reward:\n  metrics:\n    - {type: choice}\n"


def prompt(block: str) -> str:
    """The good config with another prompt block."""
    return swap(PROMPT, f"prompt: {block}\n")


def turns(written: str) -> str:
    """A config with these messages as the user message."""
    return prompt(f"{{text: Do., user: [{written}]}}")


def metrics(*entries: str) -> str:
    """The good config with other metrics."""
    return swap(METRICS, "reward:\n  metrics:\n" + "".join(f"    - {entry}\n" for entry in entries))


# text, key, piece of message and hint, line (None: whatever it is)
BROKEN: dict[str, tuple[str, str, str, int | None]] = {
    # YAML
    "empty file": ("", "", "is empty", None),
    "only a comment": ("# nothing\n", "", "is empty", None),
    "a list at the top": ("- a\n", "", "holds a list", None),
    "a text at the top": ("hello\n", "", 'holds "hello"', None),
    "unclosed bracket": (GOOD + "edits: [\n", "", "is not YAML", 11),
    "tab as indentation": (GOOD + "edits:\n\tbank: none\n", "", "spaces, not with tabs", 11),
    "colon in plain text": (swap("demo", "a: b"), "", "put a text that contains a colon in quotes", 1),
    "control character": (GOOD + "# \x01\n", "", "character that YAML does not allow", 10),
    "two documents": (GOOD + "---\na: 1\n", "", "is not YAML", 10),
    "unknown alias": (swap("demo", "*nothing"), "", "is not YAML", 1),
    "object tag": (swap("demo", "!!python/object:os.system x"), "name", "tag python/object:os.system", 1),
    "custom tag": (swap("demo", "!secret x"), "name", "tag !secret is not supported", 1),
    "tag that does not fit": (GOOD + "seed: !!int abc\n", "seed", "is no int", 10),
    "number beyond reason": (GOOD + "seed: 1e999\n", "seed", "is no float", 10),
    "deep nesting": (GOOD + "edits: " + "[" * 5000, "", "nests too deeply", None),
    "deep data": (GOOD + "edits: " + "[" * 70 + "]" * 70 + "\n", "edits", "nests more than 60 deep", 10),
    "alias in itself": (GOOD + "edits: &a {x: *a}\n", "edits.x", "contains itself", 10),
    "merge of itself": (GOOD + "edits: &a {<<: *a}\n", "edits", "contains itself", 10),
    "merge of a text": (GOOD + "edits: {<<: x}\n", "edits.<<", "expected a mapping to merge", 10),
    "mapping as key": (GOOD + "edits: {[a]: b}\n", "edits", "a key must be text", 10),
    "half a surrogate pair": (swap('"Classify."', '"\\ud800"'), "prompt.slots.task.0", "surrogate", 5),
    "duplicate key at the top": (GOOD + "name: other\n", "name", "given twice, first in line 1", 10),
    "duplicate key below": (GOOD + "budget:\n  max_calls: 5\n  max_calls: 6\n", "budget.max_calls", "in line 11", 12),
    "duplicate slot": (swap("    task:", "    task: [a]\n    task:"), "prompt.slots.task", "given twice", 6),
    # keys
    "name is missing": (swap("name: demo\n", ""), "name", "is missing", None),
    "target is missing": (swap("target: {type: local}\n", ""), "target", "is missing", None),
    "prompt is missing": (swap(PROMPT, ""), "prompt", "is missing", None),
    "dataset is missing": (GOOD.replace("dataset", "#"), "dataset", "is missing", None),
    "reward is missing": (swap(METRICS, ""), "reward", "is missing", None),
    "misspelt key at the top": (GOOD + "buget: {max_calls: 5}\n", "buget", "did you mean budget", 10),
    "misspelt key in a block": (GOOD + "budget: {max_call: 5}\n", "budget.max_call", "did you mean max_calls", 10),
    "key with dashes": (GOOD + "budget: {max-calls: 5}\n", "budget.max-calls", "did you mean max_calls", 10),
    "key at the wrong level": (GOOD + "max_calls: 5\n", "max_calls", "belongs at budget.max_calls", 10),
    "key of another type": (openai("batch_size: 3"), "target.batch_size", "only for type local", 2),
    "key like nothing else": (GOOD + "zzz: 1\n", "zzz", "known here: version, name", 10),
    "key without value": (GOOD + "budget:\n", "budget", "is empty, expected a mapping", 10),
    "block as a text": (GOOD + "budget: 5\n", "budget", "got 5, expected a mapping", 10),
    # scalars
    "version of the future": (GOOD + "version: 2\n", "version", "got 2, expected 1", 10),
    "version as truth value": (GOOD + "version: true\n", "version", "got true, expected 1", 10),
    "name with capitals": (swap("demo", "Demo"), "name", 'got "Demo", expected a name', 1),
    "name with a slash": (swap("demo", "../demo"), "name", "expected a name", 1),
    "name too long": (swap("demo", "a" * 65), "name", "at most 64", 1),
    "name as number": (swap("demo", "2024"), "name", 'put it in quotes: "2024"', 1),
    "name with a line break": (swap("demo", '"demo\\n"'), "name", "expected a name", 1),
    "seed below zero": (GOOD + "seed: -1\n", "seed", "from 0 to 4294967295", 10),
    "seed in quotes": (GOOD + 'seed: "3"\n', "seed", "without quotes", 10),
    "seed as fraction": (GOOD + "seed: 1.5\n", "seed", "got 1.5, expected a whole number", 10),
    "seed as truth value": (GOOD + "seed: true\n", "seed", "got true", 10),
    "not a number": (GOOD + "gate: {margin: .nan}\n", "gate.margin", 'got ".nan", expected a number', 10),
    "yes for true": (GOOD + "edits: {phrases: yes}\n", "edits.phrases", "write true", 10),
    # target
    "target as text": (swap("{type: local}", "nano"), "target", 'got "nano", expected a mapping', 2),
    "target without type": (swap("type: local", "model: nano"), "target.type", "is missing", 2),
    "misspelt target type": (swap("type: local", "type: opnai"), "target.type", "did you mean openai", 2),
    "target type as number": (swap("type: local", "type: 3"), "target.type", "got 3", 2),
    "openai without model": (swap("type: local", "type: openai"), "target.model", "is missing", 2),
    "concurrency of a local model": (
        swap("type: local", "type: local, concurrency: 4"),
        "target.concurrency",
        "only for type openai, replay, python",
        2,
    ),
    "no concurrency": (openai("concurrency: 0"), "target.concurrency", "from 1 to 1024", 2),
    "no time": (openai("timeout_s: 0"), "target.timeout_s", "above 0", 2),
    "retries below zero": (openai("max_retries: -1"), "target.max_retries", "from 0 to 100", 2),
    "half a price": (openai("price: {input_per_million: 1}"), "target.price.output_per_million", "is missing", 2),
    "price below zero": (
        openai("price: {input_per_million: -1, output_per_million: 1}"),
        "target.price.input_per_million",
        "at least 0",
        2,
    ),
    "hot temperature": (openai("params: {temperature: 3}"), "target.params.temperature", "from 0 to 2", 2),
    "temperature as text": (openai('params: {temperature: "0"}'), "target.params.temperature", "from 0 to 2", 2),
    "no tokens": (openai("params: {max_tokens: 0}"), "target.params.max_tokens", "at least 1", 2),
    "reserved parameter": (openai("params: {stream: true}"), "target.params.stream", "set by promptrl", 2),
    "arguments of a client": (openai("params: {extra_body: {top_k: 3}}"), "target.params.extra_body", "into params", 2),
    "address of a method": (
        openai("base_url: 'http://localhost:1/v1/chat/completions'"),
        "target.base_url",
        "address of one method",
        2,
    ),
    "params as list": (openai("params: [a]"), "target.params", "expected a mapping", 2),
    "address without scheme": (openai("base_url: localhost:8000"), "target.base_url", "http(s) address", 2),
    "address without host": (openai('base_url: "http://"'), "target.base_url", "http(s) address", 2),
    "address that is none": (openai('base_url: "http://[::1"'), "target.base_url", "not a valid address", 2),
    "port that is none": (openai('base_url: "http://h:99999"'), "target.base_url", "not a valid address", 2),
    "variable name with dash": (openai("api_key_env: MY-KEY"), "target.api_key_env", "environment variable", 2),
    "header name with space": (openai('headers: {"X Y": Z}'), "target.headers.X Y", "the name of an HTTP header", 2),
    "header as list": (openai("headers: [a]"), "target.headers", "expected a mapping", 2),
    "key in the config": (openai("api_key: hunter2"), "target.api_key", "secrets come from the environment", 2),
    "replay without path": (swap("type: local", "type: replay"), "target.path", "is missing", 2),
    "function without module": (
        swap("type: local", "type: python, function: answer"),
        "target.function",
        "module:function",
        2,
    ),
    # prompt
    "neither slots nor text": (prompt("{user: '{text}'}"), "prompt.slots", "so is `text`", 3),
    "slots and text": (prompt("{slots: {a: [b]}, text: c}"), "prompt.text", "beside `slots`", 3),
    "no slot": (prompt("{slots: {}}"), "prompt.slots", "expected a mapping of slot names", 3),
    "slot without options": (prompt("{slots: {task: []}}"), "prompt.slots.task", "expected a list of texts", 3),
    "slot as text": (prompt("{slots: {task: Classify}}"), "prompt.slots.task", "write it as a list", 3),
    "slots as list": (prompt("{slots: [a, b]}"), "prompt.slots", "got a list, expected a mapping", 3),
    "option that is true": (prompt("{slots: {task: [true]}}"), "prompt.slots.task.0", 'in quotes: "true"', 3),
    "option that is a number": (prompt("{slots: {task: [a, 1.50]}}"), "prompt.slots.task.1", 'quotes: "1.50"', 3),
    "option that is nothing": (prompt("{slots: {task: [~]}}"), "prompt.slots.task.0", "is empty", 3),
    "option with bare braces": (prompt("{slots: {task: [{x}]}}"), "prompt.slots.task.0", "in quotes", 3),
    "option twice": (prompt("{slots: {task: [a, b, a]}}"), "prompt.slots.task.2", "option 0", 3),
    "slot name with space": (prompt("{slots: {a b: [x]}}"), "prompt.slots.a b", "expected a slot name", 3),
    "reserved slot name": (prompt("{slots: {user: [x]}}"), "prompt.slots.user", "not free", 3),
    "empty text": (prompt('{text: ""}'), "prompt.text", "not empty", 3),
    "text file that is not there": (prompt("{text: no/such.txt}"), "prompt.text", "does not exist", 3),
    "text with headings": (
        prompt('{text: "[system]\\nDo.\\n\\n[user]\\n{text}"}'),
        "prompt.text",
        "export --format text",
        3,
    ),
    "text and user message": (
        prompt("{text: 'Do {text}.', user: '{text}'}"),
        "prompt.user",
        "the placeholder {text}",
        3,
    ),
    "user without placeholder": (prompt("{text: Do., user: Go.}"), "prompt.user", "has no {column}", 3),
    "empty placeholder": (prompt("{text: Do., user: '{text} {}'}"), "prompt.user", '"{}" is not a placeholder', 3),
    "placeholder with spaces": (prompt("{text: Do., user: '{ text }'}"), "prompt.user", '"{ text }" is not', 3),
    "placeholder with attribute": (prompt("{text: Do., user: '{row.text}'}"), "prompt.user", '"{row.text}"', 3),
    "placeholder with format": (prompt("{text: Do., user: '{text:>9}'}"), "prompt.user", '"{text:>9}"', 3),
    "placeholder of jinja": (prompt("{text: Do., user: '{{text}}'}"), "prompt.user", "has no {column}", 3),
    "user as a number": (prompt("{text: Do., user: 5}"), "prompt.user", 'put it in quotes: "5"', 3),
    "user without quotes": (prompt("{text: Do., user: {text}}"), "prompt.user", "text that holds braces", 3),
    "empty user": (prompt("{text: Do., user: ''}"), "prompt.user", "expected text, or a list of messages", 3),
    "no messages": (prompt("{text: Do., user: []}"), "prompt.user", "expected text, or a list of messages", 3),
    "message as text": (prompt("{text: Do., user: ['{text}']}"), "prompt.user.0", "expected a mapping", 3),
    "message of the system": (turns("{role: system, content: '{text}'}"), "prompt.user.0.role", "user, assistant", 3),
    "message without content": (turns("{role: user}"), "prompt.user.0.content", "is missing", 3),
    "misspelt key of a message": (
        turns("{role: user, content: '{text}', contnt: x}"),
        "prompt.user.0.contnt",
        "did you mean content",
        3,
    ),
    "assistant last": (
        turns("{role: user, content: '{text}'}, {role: assistant, content: x}"),
        "prompt.user.1.role",
        "the last message is what the model answers",
        3,
    ),
    "messages without placeholder": (
        turns("{role: assistant, content: x}, {role: user, content: y}"),
        "prompt.user",
        "has no {column}",
        3,
    ),
    "broken placeholder in a message": (
        turns("{role: user, content: '{ text }'}, {role: user, content: '{text}'}"),
        "prompt.user.0.content",
        '"{ text }" is not',
        3,
    ),
    "placeholder not closed": (prompt("{text: Do., user: '{a} {text'}"), "prompt.user", '"{text" is not', 3),
    "bad placeholder in text": (prompt("{text: 'Do {text} {}.'}"), "prompt.text", '"{}" is not', 3),
    "too few candidates": (
        prompt("{slots: {a: [b]}, demonstrations: {max: 3, candidates: 2}}"),
        "prompt.demonstrations.max",
        "got 3, expected at most",
        3,
    ),
    "demonstrations without answers": (
        prompt("{slots: {a: [b]}, demonstrations: {max: 3}}")
        .replace(", reference: label", "")
        .replace("choice", "distinct_n"),
        "prompt.demonstrations.max",
        "needs dataset.reference",
        3,
    ),
    # edits
    "unknown bank": (GOOD + "edits: {bank: buildin}\n", "edits.bank", "did you mean builtin", 10),
    "tokens as number": (GOOD + "edits: {tokens: 3}\n", "edits.tokens", "a list of words", 10),
    "token file that is not there": (GOOD + "edits: {tokens: words.txt}\n", "edits.tokens", "does not exist", 10),
    "words in one": (GOOD + 'edits: {tokens: [a, "b c"]}\n', "edits.tokens.1", "one word without whitespace", 10),
    "word twice": (GOOD + "edits: {tokens: [a, b, a]}\n", "edits.tokens.2", "twice", 10),
    "too many words": (
        GOOD + f"edits: {{tokens: [{', '.join(f'w{number}' for number in range(501))}]}}\n",
        "edits.tokens",
        "expected at most 500",
        10,
    ),
    "rewrite by an unknown type": (
        GOOD + "edits: {rewrite: {proposer: {type: recordd, path: p}}}\n",
        "edits.rewrite.proposer.type",
        "did you mean recorded",
        10,
    ),
    "rewrite with an unknown key": (
        GOOD + "edits: {rewrite: {model: m}}\n",
        "edits.rewrite.model",
        "is not a known key",
        10,
    ),
    "recorded proposals without a path": (
        GOOD + "edits: {rewrite: {proposer: {type: recorded}}}\n",
        "edits.rewrite.proposer.path",
        "is missing",
        10,
    ),
    "too many rounds": (
        GOOD + "edits: {rewrite: {rounds: 1000}}\n",
        "edits.rewrite.rounds",
        "expected a whole number",
        10,
    ),
    "rules as one text": (
        GOOD + "edits: {rewrite: {rules: be formal}}\n",
        "edits.rewrite.rules",
        "a list of texts",
        10,
    ),
    # dataset
    "neither path nor files": (swap("path: builtin:sentiment, ", ""), "dataset.path", "so is `files`", 6),
    "path and files": (
        swap("input: text", "files: {train: a, validation: b, test: c}, input: text"),
        "dataset.files",
        "beside `path`",
        6,
    ),
    "a file too few": (
        swap("path: builtin:sentiment", "files: {train: a, test: c}"),
        "dataset.files.validation",
        "is missing",
        6,
    ),
    "files and splits": (
        swap("path: builtin:sentiment", "files: {train: a, validation: b, test: c}, splits: {train: .5}"),
        "dataset.splits",
        "each file is a split",
        6,
    ),
    "data on the web": (swap("builtin:sentiment", "https://x.org/d.csv"), "dataset.path", "download", 6),
    "file form of no file": (swap("input: text", "skip_rows: 1, input: text"), "dataset.skip_rows", "names no file", 6),
    "delimiter in words": (swap("input: text", "delimiter: tab, input: text"), "dataset.delimiter", "one character", 6),
    "delimiter of lines": (
        swap("builtin:sentiment", 'a.csv, delimiter: "\\n"'),
        "dataset.delimiter",
        "divides cells",
        6,
    ),
    "delimiter of lines of objects": (
        swap("builtin:sentiment", 'a.jsonl.gz, delimiter: ";"'),
        "dataset.delimiter",
        "means nothing in jsonl, only in csv and tsv",
        6,
    ),
    "delimiter of objects": (
        swap("builtin:sentiment", 'a, format: json, delimiter: ";"'),
        "dataset.delimiter",
        "in json",
        6,
    ),
    "unknown encoding": (
        swap("builtin:sentiment", "a.csv, encoding: latin-99"),
        "dataset.encoding",
        "such as utf-8",
        6,
    ),
    "unknown format": (swap("input: text", "format: xlsx, input: text"), "dataset.format", "one of jsonl", 6),
    "shares above one": (swap("input: text", "splits: {train: .9}, input: text"), "dataset.splits", "1.4", 6),
    "share of nothing": (swap("input: text", "splits: {test: 0}, input: text"), "dataset.splits.test", "above 0", 6),
    "limit of nothing": (swap("input: text", "limit: 0, input: text"), "dataset.limit", "at least 1", 6),
    "placeholder for a column": (swap("input: text", "columns: {a b: c}, input: text"), "dataset.columns.a b", "", 6),
    "no input at all": (swap("input: text, ", ""), "dataset.input", "is missing", 6),
    "input that can't be a name": (swap("input: text", 'input: "a b"'), "dataset.input", "columns", 6),
    "metric without answers": (swap(", reference: label", ""), "dataset.reference", 'the metric "choice"', 6),
    # reward
    "unknown way to combine": (swap("reward:", "reward:\n  combine: sum"), "reward.combine", "weighted, product", 8),
    "no metrics": (swap("    - {type: choice}\n", "    []\n"), "reward.metrics", "at least 1", 8),
    "metrics as mapping": (swap("    - {type: choice}\n", "    {a: b}\n"), "reward.metrics", "got a mapping", 8),
    "metric as text": (metrics("choice"), "reward.metrics.0", 'got "choice"', 9),
    "metric without type": (metrics("{weight: 1}"), "reward.metrics.0.type", "is missing", 9),
    "column of no placeholder": (
        swap("input: text,", "input: text, columns: {txt: body},"),
        "dataset.columns.txt",
        "names no placeholder of the user message did you mean text",
        6,
    ),
    "columns without an input": (
        swap("input: text,", "columns: {txt: body},"),
        "dataset.input",
        "no user message says",
        6,
    ),
    "gate metric in capitals": (GOOD + "gate: {metric: CHOICE}\n", "gate.metric", "did you mean choice", 10),
    "NUL in the cache's path": (GOOD + 'cache: {path: "a\\0b"}\n', "cache.path", "without NUL", 10),
    **{
        f"{name} in a path": (
            GOOD + f'output: {{runs_dir: "{name}/runs"}}\n',
            "output.runs_dir",
            "is not filled in",
            10,
        )
        for name in ("$HOME", "${HOME}")
    },
    "NUL in the runs folder": (GOOD + 'output: {runs_dir: "a\\0b"}\n', "output.runs_dir", "without NUL", 10),
    "NUL in the data's path": (
        GOOD.replace("builtin:sentiment", '"a\\0b"'),
        "dataset.path",
        "without NUL",
        6,
    ),
    "misspelt metric": (metrics("{type: chioce}"), "reward.metrics.0.type", "did you mean choice", 9),
    "judge without a rubric": (metrics("{type: judge}"), "reward.metrics.0.rubric", "is missing", 9),
    "judge of no type": (
        metrics("{type: judge, rubric: fluency, judge: {model: m}}"),
        "reward.metrics.0.judge.type",
        "is missing",
        9,
    ),
    "misspelt key of a judge": (
        metrics("{type: judge, rubric: fluency, judge: {type: openai, model: m, base_ulr: h}}"),
        "reward.metrics.0.judge.base_ulr",
        "did you mean base_url",
        9,
    ),
    "key of a judge in the config": (
        metrics("{type: judge, rubric: fluency, judge: {type: openai, model: m, api_key: k}}"),
        "reward.metrics.0.judge.api_key",
        "secrets come from the environment",
        9,
    ),
    "same metric twice": (metrics("{type: f1}", "{type: f1}"), "reward.metrics.1.name", "twice", 10),
    "cut where nothing is cut": (
        metrics("{type: json_valid, after: x}"),
        "reward.metrics.0.after",
        "is not a known key",
        9,
    ),
    "misspelt parameter": (metrics("{type: f1, aftr: x}"), "reward.metrics.0.aftr", "did you mean after", 9),
    "weight below zero": (metrics("{type: f1, weight: -1}"), "reward.metrics.0.weight", "at least 0", 9),
    "cost that rewards": (
        metrics("{type: f1}", "{type: latency, weight: 1}"),
        "reward.metrics.1.weight",
        "below 0",
        10,
    ),
    "cost without weight": (metrics("{type: f1}", "{type: usd}"), "reward.metrics.1.weight", "is missing", 10),
    "nothing counts": (metrics("{type: f1, weight: 0}"), "reward.metrics", "positive weight", 8),
    "costs alone": (metrics("{type: usd, weight: -1}"), "reward.metrics", "positive weight", 8),
    "pattern that is none": (metrics('{type: regex, pattern: "("}'), "reward.metrics.0.pattern", "regular", 9),
    "group that is not there": (
        metrics("{type: regex, pattern: a, group: 1}"),
        "reward.metrics.0.group",
        "has 0 groups",
        9,
    ),
    "one choice": (metrics("{type: choice, choices: [a]}"), "reward.metrics.0.choices", "at least 2", 9),
    "choice twice": (metrics("{type: choice, choices: [a, A]}"), "reward.metrics.0.choices.1", "twice", 9),
    "choice that is true": (metrics("{type: choice, choices: [true, a]}"), "reward.metrics.0.choices.0", "quotes", 9),
    "unknown position": (metrics("{type: numeric_match, position: lst}"), "reward.metrics.0.position", "last", 9),
    "schema file missing": (metrics("{type: json_schema, schema: s.json}"), "reward.metrics.0.schema", "exist", 9),
    "metric function": (metrics('{type: python, function: "os.system"}'), "reward.metrics.0.function", "module:", 9),
    # algorithm, budget, gate and the rest
    "unknown algorithm": (GOOD + "algorithm: {name: dqnn}\n", "algorithm.name", "did you mean dqn", 10),
    "unknown planning": (GOOD + "algorithm: {planning: mcts}\n", "algorithm.planning", "surrogate, none", 10),
    "unknown policy": (GOOD + "algorithm: {policy: mlp}\n", "algorithm.policy", "deepsets, transformer", 10),
    "no environments": (GOOD + "algorithm: {n_envs: 0}\n", "algorithm.n_envs", "from 1 to 1024", 10),
    "misspelt key of a baseline": (
        GOOD + "algorithm: {name: random, rows_per_promt: 2}\n",
        "algorithm.rows_per_promt",
        "did you mean rows_per_prompt",
        10,
    ),
    "algorithm without a name": (GOOD + "algorithm: {n_env: 4}\n", "algorithm.n_env", "did you mean n_envs", 10),
    "algorithm as a number": (GOOD + "algorithm: {name: 3}\n", "algorithm.name", "got 3, expected one of ppo", 10),
    "algorithm without a value": (GOOD + "algorithm: {name: null}\n", "algorithm.name", "leave the key out or", 10),
    "target without a type": (swap("type: local", "type: null"), "target.type", "is empty, expected one of", 2),
    "params as text": (GOOD + "algorithm: {params: x}\n", "algorithm.params", "a mapping of hyperparameters", 10),
    "no calls": (GOOD + "budget: {max_calls: 0}\n", "budget.max_calls", "at least 1", 10),
    "calls without limit": (GOOD + "budget: {max_calls: null}\n", "budget.max_calls", "is empty", 10),
    "no money": (GOOD + "budget: {max_usd: 0}\n", "budget.max_usd", "above 0", 10),
    "champion": (GOOD + "gate: {against: champion}\n", "gate.against", "not in this version yet", 10),
    "unknown gate metric": (GOOD + "gate: {metric: choise}\n", "gate.metric", "did you mean choice", 10),
    "confidence in percent": (GOOD + "gate: {confidence: 95}\n", "gate.confidence", "above 0.5 and below 1", 10),
    "gate on a cost": (
        metrics("{type: f1}", "{type: usd, weight: -1}") + "gate: {metric: usd}\n",
        "gate.metric",
        "one of the scores: f1",
        11,
    ),
    "warm start": (GOOD + "warm_start: latest\n", "warm_start", "not in this version yet", 10),
    "unknown cache mode": (GOOD + "cache: {mode: on}\n", "cache.mode", "deterministic, all, off", 10),
    "cache of nothing": (GOOD + "cache: {max_mb: 0}\n", "cache.max_mb", "at least 1", 10),
    "unknown tracker": (GOOD + "trackers: [wandb]\n", "trackers.0", ", ".join(TRACKERS), 10),
    "tracker as text": (GOOD + "trackers: tensorboard\n", "trackers", "write it as a list", 10),
}


@pytest.mark.parametrize(("text", "key", "words", "line"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_config_is_refused_by_key(text: str, key: str, words: str, line: int | None, tmp_path: Path) -> None:
    """One fault gives one problem, with the key, the place and the way out."""
    (problem,) = problems_of(text, tmp_path)
    assert problem.key == key
    assert words in f"{problem.message} {problem.hint}"
    assert problem.file == str(tmp_path / "broken.yaml")
    assert problem.line == line


def test_what_else_is_wrong_with_an_algorithm_is_told_where_its_name_is_empty(tmp_path: Path) -> None:
    """As of the default."""
    problems = problems_of(GOOD + "algorithm: {name: null, planing: none, n_envs: 0, warm_start: none}\n", tmp_path)
    expected = {"algorithm.name", "algorithm.planing", "algorithm.n_envs", "algorithm.warm_start"}
    assert {problem.key for problem in problems} == expected


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [("name: demo", "nme: demo", "nme"), ("target:", "taget:", "taget"), ("metrics:", "metric:", "reward.metric")],
)
def test_a_misspelt_key_is_one_problem(old: str, new: str, key: str, tmp_path: Path) -> None:
    """That the right one is missing says the same again."""
    assert [problem.key for problem in problems_of(swap(old, new), tmp_path)] == [key]


def test_every_problem_is_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Nobody has to fix a config one error at a time, not even for errors between blocks."""
    text = swap("demo", "Demo") + "budget: {max_calls: 0}\ngate: {metric: x}\nnonsense: 1\nbudget: {}\n"
    text = text.replace("choice", "regex, pattern: (")
    problems = problems_of(text, tmp_path)
    assert [(problem.key, problem.line) for problem in problems] == [
        ("name", 1),
        ("reward.metrics.0.pattern", 9),
        ("budget.max_calls", 10),
        ("nonsense", 12),
        ("budget", 13),
    ]


def test_sound_blocks_are_checked_against_each_other_beside_broken_ones(tmp_path: Path) -> None:
    """A broken budget does not hide a gate that names no metric."""
    problems = problems_of(GOOD + "budget: {max_calls: 0}\ngate: {metric: x}\n", tmp_path)
    assert [problem.key for problem in problems] == ["budget.max_calls", "gate.metric"]
