using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The strategies of a group of several frames, one per scope. Equal strategies are the same object, see
/// <see cref="Pool"/>.</summary>
internal sealed class GroupStrategies
{
    private readonly ScopeStrategy[] _scopes;

    private GroupStrategies(ReadOnlySpan<ScopeStrategy> scopes) => _scopes = scopes.ToArray();

    /// <summary>One strategy per scope.</summary>
    public ReadOnlySpan<ScopeStrategy> Scopes => _scopes;

    /// <summary>Whether a plan uses these strategies.</summary>
    public bool Match(ExecutionPlan plan)
    {
        for (int scope = 0; scope < _scopes.Length; scope++)
            if (plan.Scopes[scope].Keys != _scopes[scope].Keys || plan.Scopes[scope].Values != _scopes[scope].Values)
                return false;
        return true;
    }

    /// <summary>All strategies that groups of one model have used. There are few, so the search is linear.</summary>
    internal sealed class Pool
    {
        private readonly List<GroupStrategies> _known = [];

        /// <summary>The object for the given strategies. It allocates only for strategies that are new.</summary>
        public GroupStrategies Get(ReadOnlySpan<ScopeStrategy> scopes)
        {
            lock (_known)
            {
                foreach (GroupStrategies known in _known)
                    if (known.Scopes.SequenceEqual(scopes))
                        return known;
                GroupStrategies made = new(scopes);
                _known.Add(made);
                return made;
            }
        }
    }
}
