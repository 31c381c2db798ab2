using System.Globalization;
using YamlDotNet.RepresentationModel;

namespace MsResampler.Server.Tests.Deploy;

/// <summary>The fields of KServe's objects that may stand in <c>kserve.yaml</c>, written by hand from the definitions
/// of serving.kserve.io: a field that is not in these tables needs a look at them.</summary>
internal static class KserveSchema
{
    private static readonly string[] s_protocols = ["v1", "v2", "grpc-v1", "grpc-v2"];
    private static readonly string[] s_metrics = ["cpu", "memory", "concurrency", "rps"];

    private static readonly Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> s_metadata = new()
    {
        ["name"] = IsText,
        ["annotations"] = IsMapOfText,
        ["labels"] = IsMapOfText,
    };

    private static readonly Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> s_format = new()
    {
        ["name"] = IsText,
        ["version"] = IsText,
        ["autoSelect"] = (node, path) => IsOneOf(node, path, "true", "false"),
        ["priority"] = IsCount,
    };

    private static readonly Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> s_runtime = new()
    {
        ["annotations"] = IsMapOfText,
        ["labels"] = IsMapOfText,
        ["supportedModelFormats"] = (node, path) => Items(node, path, (item, at) => Fields(item, at, s_format)),
        ["protocolVersions"] = (node, path) => Items(node, path, (item, at) => IsOneOf(item, at, s_protocols)),
        ["containers"] = (node, path) => Items(node, path, (_, _) => []),
    };

    private static readonly Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> s_modelFormat = new()
    {
        ["name"] = IsText,
        ["version"] = IsText,
    };

    private static readonly Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> s_model = new()
    {
        ["runtime"] = IsText,
        ["modelFormat"] = (node, path) => Fields(node, path, s_modelFormat),
        ["protocolVersion"] = (node, path) => IsOneOf(node, path, s_protocols),
        ["storageUri"] = IsText,
    };

    private static readonly Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> s_predictor = new()
    {
        ["minReplicas"] = IsCount,
        ["maxReplicas"] = IsCount,
        ["scaleMetric"] = (node, path) => IsOneOf(node, path, s_metrics),
        ["scaleTarget"] = IsCount,
        ["timeout"] = IsCount,
        ["model"] = (node, path) => Fields(node, path, s_model),
    };

    private static readonly Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> s_service = new()
    {
        ["predictor"] = (node, path) => Fields(node, path, s_predictor),
    };

    /// <summary>What is wrong with an object, one line per problem.</summary>
    public static string[] Problems(KserveManifest manifest)
    {
        string kind = manifest.Text("kind");
        (string version, Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> spec) = kind switch
        {
            "ServingRuntime" => ("serving.kserve.io/v1alpha1", s_runtime),
            "InferenceService" => ("serving.kserve.io/v1beta1", s_service),
            _ => ("", []),
        };
        Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> document = new()
        {
            ["apiVersion"] = (node, path) => IsOneOf(node, path, version),
            ["kind"] = IsText,
            ["metadata"] = (node, path) => Fields(node, path, s_metadata),
            ["spec"] = (node, path) => Fields(node, path, spec),
        };
        return [.. Fields(manifest.Root, kind, document)];
    }

    private static IEnumerable<string> Fields(YamlNode node, string path,
        Dictionary<string, Func<YamlNode, string, IEnumerable<string>>> fields)
    {
        if (node is not YamlMappingNode map)
            return [$"{path}: expected fields, found {node}"];
        return map.Children.SelectMany(child =>
        {
            string name = ((YamlScalarNode)child.Key).Value!;
            return fields.TryGetValue(name, out Func<YamlNode, string, IEnumerable<string>>? check)
                ? check(child.Value, $"{path}.{name}") : [$"{path}.{name}: there is no such field"];
        });
    }

    private static IEnumerable<string> Items(YamlNode node, string path,
        Func<YamlNode, string, IEnumerable<string>> check) => node is YamlSequenceNode { Children.Count: > 0 } list
            ? list.SelectMany((item, index) => check(item, $"{path}[{index}]"))
            : [$"{path}: expected a list, found {node}"];

    private static IEnumerable<string> IsText(YamlNode node, string path)
        => node is YamlScalarNode { Value.Length: > 0 } ? [] : [$"{path}: expected a text, found {node}"];

    private static IEnumerable<string> IsMapOfText(YamlNode node, string path) => node is YamlMappingNode map
        ? map.Children.SelectMany(child => IsText(child.Value, $"{path}.{child.Key}"))
        : [$"{path}: expected names with texts, found {node}"];

    private static IEnumerable<string> IsCount(YamlNode node, string path)
        => node is YamlScalarNode scalar && int.TryParse(scalar.Value, NumberStyles.None, CultureInfo.InvariantCulture,
            out _) ? [] : [$"{path}: expected a number, found {node}"];

    private static IEnumerable<string> IsOneOf(YamlNode node, string path, params string[] values)
        => node is YamlScalarNode scalar && values.Contains(scalar.Value) ? []
            : [$"{path}: expected one of {string.Join(", ", values)}, found {node}"];
}
