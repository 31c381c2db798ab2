using System.Globalization;
using k8s;
using k8s.Models;
using YamlDotNet.RepresentationModel;

namespace MsResampler.Server.Tests.Deploy;

/// <summary>An object of <c>kserve.yaml</c>.</summary>
/// <param name="Root">The document.</param>
internal sealed record KserveManifest(YamlMappingNode Root)
{
    /// <summary>Reads all objects of a text.</summary>
    public static KserveManifest[] Load(string yaml)
    {
        YamlStream stream = [];
        stream.Load(new StringReader(yaml));
        return [.. stream.Documents.Select(document => new KserveManifest((YamlMappingNode)document.RootNode))];
    }

    /// <summary>The objects of the file with a kind.</summary>
    public static KserveManifest[] OfKind(string kind)
        => [.. Load(DeployFile.ReadOrSkip("kserve.yaml")).Where(item => item.Text("kind") == kind)];

    /// <summary>The text of a scalar at a path of keys.</summary>
    public string Text(params string[] path) => ((YamlScalarNode)Node(path)).Value!;

    /// <summary>The number at a path of keys.</summary>
    public int Number(params string[] path) => int.Parse(Text(path), CultureInfo.InvariantCulture);

    /// <summary>The texts of a list at a path of keys.</summary>
    public string[] List(params string[] path)
        => [.. ((YamlSequenceNode)Node(path)).Select(item => ((YamlScalarNode)item).Value!)];

    /// <summary>The node at a path of keys.</summary>
    public YamlNode Node(params string[] path) => path.Aggregate((YamlNode)Root, (node, key) => node[key]);

    /// <summary>The only container of a runtime, read strictly as one of the API of Kubernetes, which it is.</summary>
    public V1Container Container()
    {
        YamlNode container = ((YamlSequenceNode)Node("spec", "containers")).Single();
        using StringWriter text = new();
        new YamlStream(new YamlDocument(container)).Save(text, assignAnchors: false);
        return KubernetesYaml.Deserialize<V1Container>(text.ToString().Replace("...", "", StringComparison.Ordinal),
            strict: true);
    }
}
