using System.Collections.Concurrent;

namespace MsResampler.TestKit;

/// <summary>Skips tests that this machine cannot run, with the reason. Tests must not skip in any other way: NUnit
/// turns a skip inside a multiple assertion scope into a failure, which would show only on a machine without the
/// tool.</summary>
internal static class Skip
{
    private static readonly ConcurrentDictionary<string, bool> s_reported = new();

    /// <summary>Skips the running test, or the whole fixture from its one-time set-up, if a condition holds. The
    /// reason is printed once per process, because <c>dotnet test</c> lists skipped tests by name only.</summary>
    /// <exception cref="InvalidOperationException">The call is inside a multiple assertion scope, even if the
    /// condition does not hold.</exception>
    public static void If(bool condition, string reason) => If(condition, reason, TestContext.Error);

    /// <summary>The same with a given log.</summary>
    public static void If(bool condition, string reason, TextWriter log)
    {
        if (IsInMultipleScope())
        {
            throw new InvalidOperationException(
                "A test asks what the machine has before it enters a multiple assertion " +
                $"scope, found inside one: {reason}");
        }

        if (!condition)
            return;
        if (s_reported.TryAdd(reason, true))
            log.WriteLine($"Skipped: {reason}");
        Assert.Ignore(reason);
    }

    /// <summary>Assert.Ignore throws an <see cref="IgnoreException"/> outside a scope, and another exception
    /// inside.</summary>
    private static bool IsInMultipleScope()
    {
        try
        {
            Assert.Ignore();
            return false;
        }
        catch (IgnoreException)
        {
            return false;
        }
        catch (Exception)
        {
            return true;
        }
    }
}
