using MsResampler.Server.Hosting;
using MsResampler.Server.Hosting.Configuration;

namespace MsResampler.Server.Tests.Deploy;

/// <summary>Arguments of containers, read by the command's own parser.</summary>
internal static class ServerArguments
{
    private const string Model = "--model=";

    /// <summary>The settings of a server with these arguments, in an empty environment. A model's folder need not exist
    /// here.</summary>
    public static ServerSettings Parse(IEnumerable<string> args)
    {
        using TemporaryFolder folder = new();
        Dictionary<string, string> paths = [];
        List<string> local = [];
        foreach (string argument in args)
        {
            if (argument.StartsWith(Model, StringComparison.Ordinal))
            {
                string[] parts = argument[Model.Length..].Split('=', 2);
                paths.Add(parts[0], parts[1]);
                local.Add($"{Model}{parts[0]}={folder.Path}");
            }
            else
            {
                local.Add(argument);
            }
        }

        ServerSettings settings = CommandLine.Read([.. local], new Dictionary<string, string>(), folder.Path,
            TextWriter.Null)!.Settings;
        foreach ((string name, string path) in paths)
            settings.Models[name].Path = path;
        return settings;
    }
}
