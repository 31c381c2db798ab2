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

    private static string? Find()
    {
        DirectoryInfo? folder = new(TestContext.CurrentContext.TestDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "MsResampler.Kernels.sln")))
            folder = folder.Parent;
        return folder?.FullName;
    }
}
