using System.Reflection;
using System.Text.RegularExpressions;
using MsResampler.Server.Grpc.Protocol;
using MsResampler.Server.Tests.Deploy;

namespace MsResampler.Server.Tests.Conformance;

/// <summary>The tables of the protocol in <c>tools/MsResampler.Server/CONFORMANCE.md</c>: every row names tests, and
/// they exist.</summary>
public sealed partial class ConformanceTests
{
    private const string Namespace = "MsResampler.Server.Tests.";

    [Test]
    public void Every_row_names_tests_that_exist()
    {
        string[][] rows = RowsOrSkip();
        Assert.That(rows, Has.Length.GreaterThan(30));
        Assert.That(rows.SelectMany(row => ProblemsOf(row[^1]).Select(problem => $"{row[0]}: {problem}")), Is.Empty);
    }

    [Test]
    public void Every_call_of_the_service_has_a_row()
        => Assert.That(RowsOrSkip().Select(row => row[0]), Is.SupersetOf(
            GRPCInferenceService.Descriptor.Methods.Select(method => $"`{method.Name}`")));

    [TestCase("`Conformance.ConformanceTests.Every_row_names_tests_that_exist`", ExpectedResult = 0)]
    [TestCase("", ExpectedResult = 1)]
    [TestCase("`Conformance.ConformanceTests.Absent`", ExpectedResult = 1)]
    [TestCase("`Conformance.Absent.Every_row_names_tests_that_exist`", ExpectedResult = 1)]
    [TestCase("`Conformance.ConformanceTests.ProblemsOf`", ExpectedResult = 1)]
    public int A_row_without_a_test_or_with_an_unknown_one_is_a_problem(string cell) => ProblemsOf(cell).Count();

    private static IEnumerable<string> ProblemsOf(string cell)
    {
        string[] names = [.. QuotedName().Matches(cell).Select(match => match.Groups[1].Value)];
        return names.Length == 0 ? ["names no test"] : names.Where(name => !IsTest(name))
            .Select(name => $"expected a test {name} in this project, found none");
    }

    private static bool IsTest(string name)
    {
        int dot = name.LastIndexOf('.');
        return typeof(ConformanceTests).Assembly.GetType(Namespace + name[..dot])?.GetMethods()
            .Any(method => method.Name == name[(dot + 1)..] && method.GetCustomAttributes()
                .Any(attribute => attribute is TestAttribute or TestCaseAttribute or TestCaseSourceAttribute)) ?? false;
    }

    /// <summary>The cells of all rows, without headings.</summary>
    private static string[][] RowsOrSkip() =>
        [.. File.ReadLines(Path.Combine(DeployFile.RootOrSkip(), "tools", "MsResampler.Server", "CONFORMANCE.md"))
            .Where(line => line.StartsWith('|') && !line.StartsWith("|---", StringComparison.Ordinal)
                && !line.StartsWith("| operation |", StringComparison.Ordinal))
            .Select(line => line.Trim('|').Split('|', StringSplitOptions.TrimEntries))];

    [GeneratedRegex(@"`(\w+(?:\.\w+)+)`")]
    private static partial Regex QuotedName();
}
