using System.Text.RegularExpressions;

namespace MsResampler.Tests.House;

/// <summary>A missing tool skips a test in the same way on every machine and states the reason.</summary>
public sealed partial class SkipTests
{
    [Test]
    public void Only_Skip_skips()
    {
        string tests = Path.Combine(Repository.RootOrSkip(), "tests");
        string[] sources = Repository.SourcesOrSkip("tests");
        string[] offenders = [.. sources.Where(path => SkippingCall().IsMatch(File.ReadAllText(path)))
            .Select(path => Path.GetRelativePath(tests, path))];
        Assert.That(offenders, Is.EqualTo(new[] { Path.Combine("MsResampler.TestKit", "Skip.cs") }),
            "use Skip.If, which throws inside a multiple assertion scope");
    }

    [Test]
    public void A_skip_inside_a_multiple_assertion_scope_is_an_error([Values] bool isMissing)
    {
        Exception? found = null;
        using (Assert.EnterMultipleScope())
        {
            try
            {
                Skip.If(isMissing, "no such tool");
            }
            catch (Exception exception)
            {
                found = exception;
            }
        }

        Assert.That(found, Is.TypeOf<InvalidOperationException>().With.Message.Contains("no such tool"));
    }

    [Test]
    public void Outside_a_scope_a_missing_tool_skips_and_is_printed_once()
    {
        using StringWriter log = new() { NewLine = "\n" };
        Assert.That(() => Skip.If(false, "a tool that is there", log), Throws.Nothing);
        for (int test = 0; test < 2; test++)
        {
            Assert.That(() => Skip.If(true, "no such tool", log),
                Throws.TypeOf<IgnoreException>().With.Message.EqualTo("no such tool"));
        }

        Assert.That(log.ToString(), Is.EqualTo("Skipped: no such tool\n"));
    }

    [GeneratedRegex(@"\bAssert\s*\.\s*(Ignore|Inconclusive|Pass)\b|\bAssume\s*\.\s*That\b|[\[,]\s*Ignore\s*[\](,]")]
    private static partial Regex SkippingCall();
}
