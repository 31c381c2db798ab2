using System.Text.Json.Nodes;

namespace MsResampler.TestKit;

/// <summary>A configuration as config.json, in one line. <c>ConfigWriterTests</c> compares <see cref="ConfigWriter"/>
/// with literal text.</summary>
internal static class ConfigJson
{
    public static string Of(ResamplerConfig config) => JsonNode.Parse(ConfigWriter.Write(config))!.ToJsonString();
}
