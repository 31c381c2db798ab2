namespace MsResampler.Server.Hosting.Configuration;

/// <summary>A setting: a key of a configuration and an option of the command.</summary>
/// <typeparam name="TTarget">The object that has the setting.</typeparam>
/// <param name="Key">The key in a configuration.</param>
/// <param name="Option">The option of the command.</param>
/// <param name="HelpName">What stands for the value in the help.</param>
/// <param name="Description">The description in the help, with the default.</param>
/// <param name="Expected">What values are right, for errors.</param>
/// <param name="TrySet">Sets the value of a text; false if it is wrong.</param>
internal sealed record Setting<TTarget>(string Key, string Option, string HelpName, string Description,
    string Expected, Func<TTarget, string, bool> TrySet)
{
    /// <summary>Whether the setting is a list: each text adds to it, and a source with a value replaces the list of
    /// those below it.</summary>
    public Action<TTarget>? Clear { get; init; }
}
