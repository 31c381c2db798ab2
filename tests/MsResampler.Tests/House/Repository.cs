namespace MsResampler.Tests.House;

/// <summary>The checkout from which the tests were built.</summary>
internal static class Repository
{
    private static readonly Lazy<string?> s_root = new(Find);

    /// <summary>The root folder of the repository. Skips the running test if the tests run outside their
    /// checkout.</summary>
    public static string RootOrSkip()
    {
        Skip.If(s_root.Value is null, "The tests run apart from the checkout whose files this test reads.");
        return s_root.Value!;
    }

    /// <summary>The C# files in folders of the repository, without build output. Skips like
    /// <see cref="RootOrSkip"/>.</summary>
    public static string[] SourcesOrSkip(params string[] folders)
    {
        string root = RootOrSkip();
        string[] sources = [.. folders
            .SelectMany(folder => Directory.EnumerateFiles(
                Path.Combine(root, folder), "*.cs", SearchOption.AllDirectories))
            .Where(path => !path.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))];
        Assert.That(sources, Has.Length.GreaterThan(100));
        return sources;
    }

    private static string? Find()
    {
        DirectoryInfo? folder = new(TestContext.CurrentContext.TestDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "MsResampler.Kernels.sln")))
            folder = folder.Parent;
        return folder?.FullName;
    }
}
