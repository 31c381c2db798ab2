namespace MsResampler.Vision.Tests.Encoding;

/// <summary>The models and photos that <c>tools/get-vision-data.sh</c> downloads.</summary>
internal static class VisionData
{
    private const string FolderVariable = "MSRESAMPLER_VISION_DATA";

    /// <summary>Returns the path of a file, or skips the test.</summary>
    public static string PathOrSkip(string name)
    {
        string path = Path.Combine(Folder(), name);
        Skip.If(!File.Exists(path), $"{name} is missing; tools/get-vision-data.sh downloads it.");
        return path;
    }

    private static string Folder()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } named)
            return named;
        string cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } folder ? folder
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(cache, "msresampler", "vision");
    }
}
