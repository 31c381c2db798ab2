"""Calls a server over REST with the standard library alone. The argument is a JSON file that says where the server is and
what it must answer. Prints "ok" and the name of each check that holds; the first one that does not ends the program."""

import http.client
import json
import struct
import sys
import traceback

with open(sys.argv[1], encoding="utf-8") as file:
    TASK = json.load(file)
with open(TASK["features"], "rb") as file:
    FEATURES = file.read()
with open(TASK["tokens"], "rb") as file:
    TOKENS = file.read()
MODEL = "/v2/models/" + TASK["model"]
EXTENTS = [extent for grid in TASK["grids"] for extent in grid]
GRIDS = struct.pack(f"<{len(EXTENTS)}i", *EXTENTS)
LENGTH_HEADER = "Inference-Header-Content-Length"

# One connection for everything: an error must leave it usable.
CONNECTION = http.client.HTTPConnection(TASK["http"], timeout=60)


def call(method, path, body=None, headers=None):
    CONNECTION.request(method, path, body, headers or {})
    response = CONNECTION.getresponse()
    return response.status, response.headers, response.read()


def get(path):
    status, _, body = call("GET", path)
    return status, json.loads(body)


def floats(data):
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def inputs(features, grids):
    rows = len(FEATURES) // 4 // TASK["width"]
    return [{"name": "features", "datatype": "FP32", "shape": [rows, TASK["width"]], **features},
            {"name": "grids", "datatype": "INT32", "shape": [len(TASK["grids"]), 2], **grids}]


def binary(data):
    return {"parameters": {"binary_data_size": len(data)}}


def infer(request, tail=b""):
    """Sends a request, with binary data after its JSON if there is a tail; returns status, JSON and the data after it."""
    text = json.dumps(request).encode()
    headers = {"Content-Type": "application/json"}
    if tail:
        headers = {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(len(text))}
    status, answer_headers, body = call("POST", MODEL + "/infer", text + tail, headers)
    length = int(answer_headers.get(LENGTH_HEADER, len(body)))
    return status, json.loads(body[:length]), body[length:]


def check_live():
    assert get("/v2/health/live") == (200, {"live": True})


def check_ready():
    assert get("/v2/health/ready") == (200, {"ready": True})


def check_model_ready():
    assert get(MODEL + "/ready") == (200, {"name": TASK["model"], "ready": True})
    assert get(MODEL + "/versions/1/ready")[0] == 200


def check_server_metadata():
    status, answer = get("/v2")
    assert status == 200 and answer["name"] == "msresampler-server", answer
    assert "binary_tensor_data" in answer["extensions"], answer


def check_model_metadata():
    status, answer = get(MODEL)
    assert status == 200 and answer["versions"] == ["1"], answer
    assert answer["inputs"][0] == {"name": "features", "datatype": "FP32", "shape": [-1, TASK["width"]]}, answer
    assert answer["outputs"][0] == {"name": "tokens", "datatype": "FP32", "shape": [-1] + TASK["shape"][1:]}, answer


def check_json():
    status, answer, tail = infer({"id": "seven", "inputs": inputs({"data": floats(FEATURES)}, {"data": EXTENTS})})
    assert status == 200 and tail == b"", answer
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("seven", TASK["model"], "1"), answer
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("tokens", "FP32", TASK["shape"]), output
    assert struct.pack(f"<{len(output['data'])}f", *output["data"]) == TOKENS


def check_nested_json():
    values, width = floats(FEATURES), TASK["width"]
    rows = [values[start:start + width] for start in range(0, len(values), width)]
    status, answer, _ = infer({"inputs": inputs({"data": rows}, {"data": TASK["grids"]})})
    assert status == 200, answer
    data = answer["outputs"][0]["data"]
    assert struct.pack(f"<{len(data)}f", *data) == TOKENS


def check_binary():
    request = {"inputs": inputs(binary(FEATURES), binary(GRIDS)), "parameters": {"binary_data_output": True}}
    status, answer, tail = infer(request, FEATURES + GRIDS)
    assert status == 200, answer
    assert answer["outputs"][0]["parameters"]["binary_data_size"] == len(TOKENS), answer
    assert tail == TOKENS


def check_binary_features_and_json_grids():
    request = {"inputs": inputs(binary(FEATURES), {"data": EXTENTS}),
               "outputs": [{"name": "tokens", "parameters": {"binary_data": True}}]}
    status, answer, tail = infer(request, FEATURES)
    assert status == 200 and tail == TOKENS, answer


def check_binary_features_and_json_tokens():
    request = {"inputs": inputs(binary(FEATURES), binary(GRIDS)),
               "outputs": [{"name": "tokens", "parameters": {"binary_data": False}}]}
    status, answer, tail = infer(request, FEATURES + GRIDS)
    assert status == 200 and tail == b"", answer
    data = answer["outputs"][0]["data"]
    assert struct.pack(f"<{len(data)}f", *data) == TOKENS


def check_half_precision_tokens():
    request = {"inputs": inputs(binary(FEATURES), binary(GRIDS)),
               "parameters": {"binary_data_output": True, "precision": "FP16"}}
    status, answer, tail = infer(request, FEATURES + GRIDS)
    assert status == 200 and answer["outputs"][0]["datatype"] == "FP16", answer
    assert tail == struct.pack(f"<{len(TOKENS) // 4}e", *floats(TOKENS))


def check_gate_on_request():
    request = {"inputs": inputs({"data": floats(FEATURES)}, {"data": EXTENTS}),
               "outputs": [{"name": "gate"}, {"name": "tokens"}]}
    status, answer, _ = infer(request)
    assert status == 200, answer
    assert [output["name"] for output in answer["outputs"]] == ["gate", "tokens"], answer


def check_unknown_model():
    status, answer = get("/v2/models/absent")
    assert status == 404 and "absent" in answer["error"], answer


def check_unknown_version():
    assert get(MODEL + "/versions/2")[0] == 404


def check_wrong_shape():
    request = {"inputs": inputs(binary(FEATURES[4:]), binary(GRIDS))}
    status, answer, _ = infer(request, FEATURES[4:] + GRIDS)
    assert status == 400 and "features" in answer["error"], answer


def check_broken_json():
    status, _, body = call("POST", MODEL + "/infer", b'{"inputs": [', {"Content-Type": "application/json"})
    assert status == 400 and json.loads(body)["error"], body


def check_usable_after_errors():
    check_binary()


def main():
    for name, check in list(globals().items()):
        if not name.startswith("check_"):
            continue
        label = name[len("check_"):].replace("_", " ")
        try:
            check()
        except Exception:
            print(f"FAILED {label}: {traceback.format_exc()}")
            return 1
        print(f"ok {label}")
    return 0


sys.exit(main())
