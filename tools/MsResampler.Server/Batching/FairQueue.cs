namespace MsResampler.Server.Batching;

/// <summary>Start-time fair queuing: clients with waiting items get equal shares of the work, whatever number of items
/// each of them has. The client whose share began first is next; the items of one client keep their order. Every
/// operation takes logarithmic time. One thread at a time uses it.</summary>
/// <remarks>A client's start tag is the virtual time up to which it has been served, in units of cost. The virtual
/// time is the start tag of the last item, and it grows by the cost of each item divided by the number of clients:
/// clients that arrive start there, and so cannot displace a waiting one for ever, however many they are. A client
/// without items keeps its tag until the virtual time reaches it; otherwise it could start anew after every
/// item.</remarks>
/// <typeparam name="T">The items.</typeparam>
internal sealed class FairQueue<T>
    where T : class
{
    private static readonly Comparer<Client> s_byStart = Comparer<Client>.Create(static (first, second)
        => first.Start.CompareTo(second.Start) is var order && order != 0 ? order
            : first.Number.CompareTo(second.Number));

    private readonly Dictionary<string, Client> _clients = [];
    private readonly SortedSet<Client> _active = new(s_byStart);
    private readonly SortedSet<Client> _resting = new(s_byStart);
    private double _virtualTime;
    private long _lastNumber;

    /// <summary>The number of items.</summary>
    public int Count { get; private set; }

    /// <summary>The number of clients that are remembered: those with items, and those that were served ahead of the
    /// others.</summary>
    public int ClientCount => _clients.Count;

    /// <summary>The item that is next; null if there is none.</summary>
    public T? Next => _active.Min?.Items.First!.Value;

    /// <summary>Adds an item behind the others of its client.</summary>
    /// <returns>The place, for <see cref="Remove"/>.</returns>
    public Place Add(string client, T item)
    {
        if (!_clients.TryGetValue(client, out Client? known))
        {
            known = new Client(client) { Start = _virtualTime };
            _clients.Add(client, known);
        }

        if (known.Items.Count == 0)
        {
            _resting.Remove(known);
            Activate(known);
        }

        Count++;
        return new Place(known, known.Items.AddLast(item));
    }

    /// <summary>Charges the client of <see cref="Next"/> for work on it.</summary>
    /// <param name="cost">The work.</param>
    /// <param name="removes">Whether the item needs no more work and leaves the queue.</param>
    public void Charge(double cost, bool removes)
    {
        Client client = _active.Min!;
        _virtualTime = Math.Max(_virtualTime, client.Start) + (cost / _active.Count);
        _active.Remove(client);
        client.Start += cost;
        if (removes)
        {
            client.Items.RemoveFirst();
            Count--;
        }

        if (client.Items.Count > 0)
            Activate(client);
        else
            Rest(client);
        Forget();
    }

    /// <summary>Removes an item that was not charged for as the last one.</summary>
    public void Remove(Place place)
    {
        place.Client.Items.Remove(place.Node);
        Count--;
        if (place.Client.Items.Count > 0)
            return;
        _active.Remove(place.Client);
        Rest(place.Client);
        Forget();
    }

    /// <summary>Gives a client its turn behind those with the same start tag.</summary>
    private void Activate(Client client)
    {
        client.Number = ++_lastNumber;
        _active.Add(client);
    }

    private void Rest(Client client)
    {
        client.Number = ++_lastNumber;
        _resting.Add(client);
    }

    private void Forget()
    {
        // Nobody waits: nobody can be treated unfairly.
        if (_active.Count == 0 && _resting.Max is { } last)
            _virtualTime = Math.Max(_virtualTime, last.Start);
        while (_resting.Min is { } client && client.Start <= _virtualTime)
        {
            _resting.Remove(client);
            _clients.Remove(client.Name);
        }
    }

    /// <summary>The place of an item.</summary>
    internal readonly struct Place(Client client, LinkedListNode<T> node)
    {
        public Client Client { get; } = client;

        public LinkedListNode<T> Node { get; } = node;
    }

    /// <summary>A client and its waiting items.</summary>
    internal sealed class Client(string name)
    {
        public string Name { get; } = name;

        public LinkedList<T> Items { get; } = new();

        /// <summary>The virtual time up to which it has been served. It only changes outside the sets.</summary>
        public double Start { get; set; }

        /// <summary>Its turn among equal start tags.</summary>
        public long Number { get; set; }
    }
}
